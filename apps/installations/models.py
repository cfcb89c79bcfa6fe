"""On which machines this database is at home."""

from django.db import models

from apps.core.fields import Dated


class Installation(Dated):
    """A machine, or several under one name, that somebody said may act for this database."""

    key = models.CharField(max_length=64, unique=True)  # see identity.py; no secret
    name = models.CharField(max_length=200, help_text="web-1 with db.internal:5432/nightshift")
    last_seen_at = models.DateTimeField(help_text="To the hour.")

    def __str__(self) -> str:
        return self.name
