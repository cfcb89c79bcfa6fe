"""Charging cards, in phases."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import stripe
from django.conf import settings
from django.utils import timezone

from apps.billing.models import Invoice, InvoiceLine, Payment, PaymentMethod
from apps.core.batches import batched
from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.webhooks.models import GatewayAccount
from benchmarks.phases.measuring import Figures, migrate, run_job
from benchmarks.world import make_accounts, make_firms

KEY = "sk_test_benchmark"
TOTAL = 150_000


def open_gateway(firm: Firm) -> None:
    """Give a firm an account at the gateway."""
    GatewayAccount.objects.create(
        firm=firm,
        provider=GatewayAccount.Provider.STRIPE,
        credentials=Secrets(secret_key=KEY, webhook_secret="whsec_benchmark"),
    )


def world(size: int, told: str) -> Figures:
    """Make a firm with ``size`` invoices to be charged, and write the gateway's side down."""
    migrate()
    [firm] = make_firms(1)
    open_gateway(firm)
    for labels in batched(range(size)):
        _invoice(firm, labels)
    customers = [
        {"id": f"cus_{n}", "cards": [{"id": f"pm_{n}", "behaviour": "succeeds"}]}
        for n in range(size)
    ]
    accounts = [{"secret_key": KEY, "customers": customers}]
    Path(told).write_text(json.dumps({"stripe": {"accounts": accounts}}))
    return {}


def job() -> Figures:
    """Charge what is due, and say how many payments have paid an invoice."""
    ran = run_job("process_recurring_charges")
    paid = Invoice.objects.filter(status=Invoice.Status.PAID, balance_minor=0).count()
    payments = Payment.objects.filter(
        status=Payment.Status.SUCCEEDED, amount_minor=TOTAL, allocations__amount_minor=TOTAL
    ).count()
    return {**ran, "at_once": settings.CHARGES_AT_ONCE, "paid": min(paid, payments)}


def bare(count: int, at_once: int) -> Figures:
    """Make the same calls with Stripe's library alone, so many at a time."""
    client = stripe.StripeClient(KEY, base_addresses={"api": settings.STRIPE_API})

    def charge(number: int) -> None:
        client.v1.payment_intents.create(
            {
                "amount": TOTAL,
                "currency": "usd",
                "customer": f"cus_{number}",
                "payment_method": f"pm_{number}",
                "confirm": True,
                "off_session": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                "metadata": {"bare": str(number)},
                "expand": ["latest_charge"],
            },
            {"idempotency_key": f"bare-{at_once}-{number}"},
        )

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(charge, range(count)))
    return {"seconds": time.perf_counter() - started}


def _invoice(firm: Firm, labels: Sequence[int]) -> None:
    """Make a customer with a card and an invoice for each label."""
    accounts = make_accounts(firm, labels, autopay_enabled=True)
    today = timezone.localdate()
    for account, label in zip(accounts, labels, strict=True):
        account.gateway_customer = f"cus_{label}"
    type(accounts[0]).objects.bulk_update(accounts, ["gateway_customer"])
    PaymentMethod.objects.bulk_create(
        PaymentMethod(
            firm=firm, account=account, provider="stripe", provider_ref=f"pm_{label}",
            brand="visa", last4="4242", exp_month=12, exp_year=2034,
        )
        for account, label in zip(accounts, labels, strict=True)
    )  # fmt: skip
    invoices = Invoice.objects.bulk_create(
        Invoice(
            firm=firm,
            account=account,
            number=f"INV-{label:06d}",
            kind=Invoice.Kind.PACKAGE,
            currency="USD",
            subtotal_minor=TOTAL,
            total_minor=TOTAL,
            status=Invoice.Status.SENT,
            issue_date=today - timedelta(days=10),
            due_date=today,
            contractual_due_date=today,
            sent_at=timezone.now(),
            autopay_opt_in=True,
            autopay_status=Invoice.Autopay.SCHEDULED,
        )
        for account, label in zip(accounts, labels, strict=True)
    )
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            firm=firm, invoice=invoice, kind=InvoiceLine.Kind.PACKAGE_FEE,
            description="Package", unit_minor=TOTAL, amount_minor=TOTAL,
        )
        for invoice in invoices
    )  # fmt: skip
