"""Asking people for files: requests, links, what comes, and reminders."""
