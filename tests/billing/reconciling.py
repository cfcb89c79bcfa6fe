"""Payments that happen at the gateway, those that our books have, and a night to compare."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from apps.billing.models import Invoice, Payment
from apps.discrepancies.models import Discrepancy
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import process_webhook_events
from tests.billing.collecting import Shop, at
from tests.billing.ledger import pay

NIGHT = datetime(2025, 6, 10, 2, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def reconcile(when: datetime = NIGHT, **options: Any) -> str:
    """Run the job at an instant and return what it said, also when it failed."""
    out = io.StringIO()
    with at(when):
        try:
            call_command("reconcile_stripe", stdout=out, **options)
        except CommandError as error:
            out.write(f"{type(error).__name__}: {error}\n")
    return out.getvalue()


def summary(output: str) -> list[str]:
    return [line.strip() for line in output.partition("Summary:")[2].strip().splitlines()]


def requests(shop: Shop, path: str = "/v1/") -> list[str]:
    """Return the addresses that the gateway was asked for, in order."""
    return [call.path for call in shop.sandbox.requests if call.path.startswith(path)]


def overdue(shop: Shop, **facts: Any) -> Invoice:
    """Return an overdue invoice of $2500.00 whose customer has a card."""
    facts = {
        "total_minor": 250_000,
        "status": Invoice.Status.OVERDUE,
        "due_date": date(2025, 6, 1),
        "autopay_opt_in": False,
        "autopay_status": "",
        **facts,
    }
    with at(NIGHT - 40 * DAY):
        return shop.invoice(**facts)


def paid_there(
    shop: Shop, invoice: Invoice, amount: int | None = None, *, ago: timedelta = DAY, **how: Any
) -> str:
    """Let an invoice be paid at the gateway some time ago and return the payment's id."""
    account = invoice.account
    metadata = {"firm": str(shop.firm.pk), "invoice": str(invoice.pk)}
    intent: str = shop.sandbox.stripe.add_intent(
        customer=account.gateway_customer,
        card=f"pm_{account.pk}_0",
        amount=invoice.total_minor if amount is None else amount,
        currency=how.pop("currency", invoice.currency).lower(),
        metadata=how.pop("metadata", metadata),
        at=(NIGHT - ago).timestamp(),
        **how,
    )
    return intent


def paid_here(
    invoice: Invoice,
    reference: str,
    minor: int | None = None,
    *,
    ago: timedelta = DAY,
    **how: Any,
) -> Payment:
    """Record a payment of the gateway's as its event would have done, some time ago."""
    with at(NIGHT - ago):
        return pay(
            invoice.account,
            invoice.total_minor if minor is None else minor,
            method=Payment.Method.CARD,
            gateway="stripe",
            gateway_ref=reference,
            invoices=[invoice],
            now=NIGHT - ago,
            today=(NIGHT - ago).date(),
            effective_on=(NIGHT - ago).date(),
            **how,
        )


def deliver_events(shop: Shop, when: datetime) -> None:
    """Post every event that the gateway has for a firm, and act on them."""
    account = GatewayAccount.objects.get(firm=shop.firm)
    with at(when):
        for event in shop.sandbox.stripe.events:
            body, headers = shop.sandbox.stripe.signed(event)
            answer = Client().post(
                f"/webhooks/stripe/{account.key}/",
                body,
                content_type="application/json",
                headers=headers,
            )
            assert answer.status_code == 200
        process_webhook_events()


def issues(shop: Shop) -> list[tuple[str, str]]:
    """Return a firm's issues: kind and status."""
    found = Discrepancy.objects.filter(firm=shop.firm).order_by("pk")
    return list(found.values_list("kind", "status"))


def only_issue(shop: Shop) -> Discrepancy:
    """Return the one issue that a firm has."""
    return Discrepancy.objects.get(firm=shop.firm)


def found(shop: Shop, *kinds: str) -> list[Discrepancy]:
    """Reconcile, and return the issues; they must be of these kinds."""
    reconcile()
    rows = list(Discrepancy.objects.filter(firm=shop.firm).order_by("kind"))
    assert [row.kind for row in rows] == sorted(kinds)
    return rows


def nothing_is_found(shop: Shop) -> bool:
    return found(shop) == []
