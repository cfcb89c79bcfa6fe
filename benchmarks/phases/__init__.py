"""What is measured; each function here runs in a process of its own."""
