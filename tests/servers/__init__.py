"""The real servers tests talk to, on loopback, from requirements/dev.txt alone."""
