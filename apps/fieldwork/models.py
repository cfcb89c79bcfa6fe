"""Work orders, who does them, and what they are paid."""
