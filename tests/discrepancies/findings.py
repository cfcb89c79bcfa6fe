"""Findings to record, and what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction

from apps.discrepancies.models import Discrepancy, ReconciliationRun, Source
from apps.discrepancies.services import Finding, Look, Sighting, close_look, record_findings
from apps.firms.models import Firm

NOW = datetime(2025, 6, 10, 2, 30, tzinfo=UTC)
NIGHT = timedelta(days=1)


def finding(subject: str = "pi_1", **how: Any) -> Finding:
    """Return a finding about an unpaid invoice, unless ``how`` says otherwise."""
    facts = {
        "kind": "remote_paid_local_unpaid",
        "label": "INV-2025-003",
        "remote_state": f"paid in Stripe ($2500.00, {subject})",
        "local_state": "local status is overdue",
    }
    return Finding(subject_key=subject, **(facts | how))


def see(firm: Firm, *findings: Finding, at: datetime = NOW) -> Sequence[Sighting]:
    """Record findings the way a comparison does."""
    with transaction.atomic():
        return record_findings(firm=firm, source=Source.STRIPE, findings=findings, now=at)


def close(firm: Firm, *, at: datetime = NOW, complete: bool = True) -> ReconciliationRun:
    """End a look the way a comparison does."""
    look = Look(began_at=at, since=at - 35 * NIGHT, complete=complete)
    with transaction.atomic():
        return close_look(firm=firm, source=Source.STRIPE, look=look)


def rows(firm: Firm) -> list[tuple[str, str, int]]:
    """Return a firm's issues as (subject, status, occurrences), in that order."""
    issues = Discrepancy.objects.filter(firm=firm).order_by("subject_key", "kind", "pk")
    return list(issues.values_list("subject_key", "status", "occurrences"))
