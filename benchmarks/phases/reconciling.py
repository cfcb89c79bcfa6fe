"""Comparing with the gateway, in phases."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import stripe
from django.conf import settings
from django.utils import timezone

from apps.billing.models import (
    BillingAccount,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentAttempt,
    PaymentMethod,
)
from apps.core.batches import batched
from apps.discrepancies.models import Discrepancy
from apps.firms.models import Firm
from benchmarks.phases.charges import KEY, TOTAL, open_gateway
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.world import make_accounts, make_firms

DAYS = 30  # over which the payments are spread


def world(size: int, told: str) -> Figures:
    """Make a firm with ``size`` payments, and write the gateway's side of them down.

    The first of each thousand never came into the books.
    """
    migrate()
    [firm] = make_firms(1)
    open_gateway(firm)
    intents = []
    for labels in batched(range(size)):
        for label, invoice in zip(labels, _pay(firm, labels), strict=True):
            intents.append(
                {
                    "id": f"pi_{label}",
                    "customer": "cus_1",
                    "card": "pm_1",
                    "amount": TOTAL,
                    "metadata": {"firm": str(firm.pk), "invoice": str(invoice.pk)},
                    "days_ago": 1 + label % DAYS,
                }
            )
    customers = [{"id": "cus_1", "cards": [{"id": "pm_1"}]}]
    account = {"secret_key": KEY, "customers": customers, "intents": intents}
    Path(told).write_text(json.dumps({"stripe": {"accounts": [account]}}))
    return {"missing": sum(map(_is_missing, range(size)))}


def job() -> Figures:
    """Compare, and say how many payments were found missing, and by which name."""
    ran = run_job("reconcile_stripe")
    found = Discrepancy.objects.filter(kind="remote_paid_local_unpaid").count()
    return {**ran, "found": found, "others": Discrepancy.objects.count() - found}


def listed() -> Figures:
    """Read the gateway's whole list, and do nothing with it."""
    payments = 0

    def read() -> None:
        nonlocal payments
        for _ in _gateway().v1.payment_intents.list({"limit": 100}).auto_paging_iter():
            payments += 1

    return {"seconds": timed(read), "payments": payments}


def one_by_one(count: int) -> Figures:
    """Ask for payments by themselves, one after the other."""
    gateway = _gateway()

    def ask() -> None:
        for label in range(count):
            gateway.v1.payment_intents.retrieve(f"pi_{label}")

    return {"seconds": timed(ask)}


def _gateway() -> stripe.StripeClient:
    return stripe.StripeClient(KEY, base_addresses={"api": settings.STRIPE_API})


def _is_missing(label: int) -> bool:
    return label % 1_000 == 0


def _pay(firm: Firm, labels: Sequence[int]) -> list[Invoice]:
    """Make an invoice for each label, and what autopay writes when one is paid."""
    [account] = make_accounts(firm, labels[:1])
    card = PaymentMethod.objects.create(
        firm=firm, account=account, provider="stripe", provider_ref=f"pm_{labels[0]}"
    )
    now, today = timezone.now(), timezone.localdate()
    invoices = Invoice.objects.bulk_create(
        _invoice(account, label, today, paid=not _is_missing(label)) for label in labels
    )
    paid = {
        label: invoice
        for label, invoice in zip(labels, invoices, strict=True)
        if not _is_missing(label)
    }
    attempts = PaymentAttempt.objects.bulk_create(
        PaymentAttempt(
            firm=firm, invoice=invoice, payment_method=card, ordinal=1,
            idempotency_key=f"autopay-{label}", amount_minor=TOTAL, currency="USD",
            status=PaymentAttempt.Status.SUCCEEDED, gateway_ref=f"pi_{label}",
            requested_at=now, resolved_at=now,
        )
        for label, invoice in paid.items()
    )  # fmt: skip
    payments = Payment.objects.bulk_create(
        Payment(
            firm=firm, account=account, amount_minor=TOTAL, currency="USD",
            method=Payment.Method.CARD, status=Payment.Status.SUCCEEDED, gateway="stripe",
            gateway_ref=attempt.gateway_ref, attempt=attempt, effective_on=today,
            initiated_at=now, settled_at=now,
        )
        for attempt in attempts
    )  # fmt: skip
    PaymentAllocation.objects.bulk_create(
        PaymentAllocation(firm=firm, payment=payment, invoice=invoice, amount_minor=TOTAL)
        for payment, invoice in zip(payments, paid.values(), strict=True)
    )
    return invoices


def _invoice(account: BillingAccount, label: int, today: date, *, paid: bool) -> Invoice:
    return Invoice(
        firm_id=account.firm_id,
        account=account,
        number=f"INV-{label:06d}",
        kind=Invoice.Kind.PACKAGE,
        currency="USD",
        subtotal_minor=TOTAL,
        total_minor=TOTAL,
        paid_minor=TOTAL if paid else 0,
        status=Invoice.Status.PAID if paid else Invoice.Status.OVERDUE,
        issue_date=today - timedelta(days=60),
        due_date=today - timedelta(days=30),
        contractual_due_date=today - timedelta(days=30),
        sent_at=timezone.now(),
    )
