"""Bugs, planted on purpose: a harness that finds nothing in these would prove nothing.

Each function spoils one safeguard in the worker that calls it. What the database guards as
well is taken away by the test (``without_constraint``).
"""

from datetime import date, timedelta
from typing import Any

from requests import PreparedRequest

from tests.proof.points import watch_requests


def no_key() -> None:
    """Send every request without its idempotency key."""

    def strip(request: PreparedRequest) -> None:
        request.headers.pop("Idempotency-Key", None)

    watch_requests(before=strip)


def no_claim_of_invoices() -> None:
    """Charge an invoice whatever attempts there are already."""
    from apps.billing.models import Invoice
    from apps.billing.services import charging

    Invoice.CHARGEABLE = (*Invoice.CHARGEABLE, Invoice.Autopay.PROCESSING)

    def lock(till: Any, pks: Any) -> dict[int, Invoice]:
        due = Invoice.objects.due_for_autopay(now=till.clock.now).filter(pk__in=pks)
        return {row.pk: row for row in due.select_related("firm", "account__contact")}

    charging._lock = lock


def no_claim_of_cycles() -> None:
    """Charge a saved card whatever orders there are already."""
    from apps.subscriptions.services import renewals

    def due(subscriptions: Any, *, today: date, days_before: int, clock: Any) -> Any:
        last = today + timedelta(days=days_before)
        return subscriptions.filter(expires_on__gt=today, expires_on__lte=last)

    renewals.due_for_renewal = due
    renewals._open_orders = lambda rows, clock: {}


def nobody_resolves() -> None:
    """Leave to its fate whatever an earlier run has left open."""
    from apps.billing.services import charging
    from apps.subscriptions.services import renewals

    charging.resolve = lambda till: None
    renewals.resolve = lambda report, orders, *, bank, clock: None


PLANTS = {
    plant.__name__: plant
    for plant in (no_key, no_claim_of_invoices, no_claim_of_cycles, nobody_resolves)
}
