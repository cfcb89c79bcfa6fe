"""Columns that most tables have."""

from django.db import models
from django.utils import timezone


class Dated(models.Model):
    """When a row was made and last changed."""

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True
