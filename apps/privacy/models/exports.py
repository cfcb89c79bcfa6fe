"""Copies of what is held about somebody."""

from django.conf import settings
from django.db import models

from apps.core.fields import Dated
from apps.firms.models import Firm
from apps.privacy.models.law import Asked


class DataExport(Dated, Asked):
    """A copy of somebody's data: who made it, when, and what exactly was handed out."""

    firm = models.ForeignKey(
        Firm,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: what every firm and the platform hold.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField()
    path = models.CharField(max_length=500, help_text="Where the file was written.")
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    categories = models.PositiveIntegerField()
    records = models.PositiveBigIntegerField()
    removed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the file went: it was downloaded, or the person was erased.",
    )

    def __str__(self) -> str:
        return f"Export {self.pk} of {self.made_at:%Y-%m-%d}"
