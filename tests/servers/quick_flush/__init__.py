"""Django's PostgreSQL, emptied quickly between tests; see ``base``."""
