"""Firms' shared mailboxes: letters that people write to them, and the tickets they become."""
