"""What a new firm is given, by this app and by those above it.

Each app gives its part in a function of its own; the module that ``settings.BASELINE`` names
(``project/baseline.py``) gathers them in order, as ``urls.py`` gathers routes.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from django.conf import settings

from apps.core.days import Clock
from apps.firms.models import Firm, FirmSettings, RetentionPolicy

DataType = RetentionPolicy.DataType

RETENTION_DAYS = {
    DataType.EMAILS: 730,
    DataType.DOCUMENTS: 2555,
    DataType.AUDIT_LOGS: 2555,
    DataType.WEBHOOKS: 90,
    DataType.SESSIONS: 30,
}


class Step(Protocol):
    """Gives a new firm what one app has for it, in the transaction that makes the firm."""

    def __call__(self, *, firm: Firm, clock: Clock) -> object: ...


def steps() -> tuple[Step, ...]:
    """Return the steps of the apps above, in order."""
    found: tuple[Step, ...] = import_module(settings.BASELINE).STEPS
    return found


def tiers() -> set[str]:
    """Return the names of what a firm can subscribe to."""
    offered: Callable[[], set[str]] = import_module(settings.BASELINE).TIERS
    return offered()


def apply_baseline(*, firm: Firm, clock: Clock) -> None:
    """Give a new firm its settings, its retention policies and what the apps above have.

    The settings hold the defaults of invoices, reminders and notifications. Must run in the
    transaction that makes the firm.
    """
    FirmSettings.objects.create(firm=firm)
    keep_for_usual(firm=firm)
    for step in steps():
        step(firm=firm, clock=clock)


def keep_for_usual(*, firm: Firm) -> None:
    """Let a new firm keep each type of data for as long as usual."""
    RetentionPolicy.objects.bulk_create(
        RetentionPolicy(firm=firm, data_type=data_type, retention_days=days)
        for data_type, days in RETENTION_DAYS.items()
    )
