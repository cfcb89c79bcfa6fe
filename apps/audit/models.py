"""Who did what, when: append-only."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.firms.models import Firm


class AuditEvent(models.Model):
    """A change of state that a customer could dispute (spec A11)."""

    firm = models.ForeignKey(Firm, models.PROTECT, null=True, blank=True, related_name="+")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    actor_label = models.CharField(max_length=60, help_text="'system' or who it was.")
    action = models.CharField(max_length=60, help_text="late_fee_applied")
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    changes = models.JSONField(default=dict, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    occurred_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["firm", "-occurred_at"], name="audit_event_newest"),
            models.Index(fields=["object_type", "object_id"], name="audit_event_about"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk and not kwargs.get("force_insert"):
            raise TypeError("Audit events are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Audit events are never deleted one by one; retention does it.")
