"""A shop whose customers pay by card: a firm, its gateway account, cards of every temper."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.billing.models import BillingAccount, Invoice, PaymentAttempt, PaymentMethod
from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from sandbox.log import Effect
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipFactory,
)

NOON = "2025-01-10T17:00:00Z"  # noon in New York


@dataclass
class Shop:
    """A firm and its account at the sandbox."""

    sandbox: Sandbox
    firm: Firm
    key: str

    def customer(self, behaviour: Any = "succeeds", **account: Any) -> BillingAccount:
        """Return a customer's account with a stored card that behaves so; None: no card."""
        contact = ContactFactory(firm=self.firm)
        number = contact.pk
        account = BillingAccountFactory(
            contact=contact,
            autopay_enabled=True,
            gateway_customer=f"cus_{number}",
            **account,
        )
        customer = f"cus_{number}"
        self.sandbox.stripe.add_customer(account=self.key, id=customer)
        if behaviour is not None:
            account.default_payment_method = self.card(account, behaviour)
            account.save()
        return account

    def card(self, account: BillingAccount, behaviour: Any) -> PaymentMethod:
        """Return one more card of a customer's, stored at the gateway and here."""
        reference = f"pm_{account.pk}_{account.payment_methods.count()}"
        debit = behaviour == "processing"
        self.sandbox.stripe.add_card(
            account.gateway_customer,
            behaviour=behaviour,
            id=reference,
            type="us_bank_account" if debit else "card",
        )
        return PaymentMethod.objects.create(
            firm=self.firm,
            account=account,
            provider="stripe",
            provider_ref=reference,
            brand="visa",
            last4="4242",
            exp_month=12,
            exp_year=2030,
        )

    def invoice(self, account: BillingAccount | None = None, **facts: Any) -> Invoice:
        """Return an invoice of $5000.00 that autopay is to collect."""
        facts = {
            "total_minor": 500_000,
            "autopay_opt_in": True,
            "autopay_status": Invoice.Autopay.SCHEDULED,
            "issue_date": date(2025, 1, 2),
            "due_date": date(2025, 2, 1),
            **facts,
        }
        invoice: Invoice = InvoiceFactory(account=account or self.customer(), **facts)
        return invoice

    def charges(self, invoice: Invoice | None = None) -> list[Effect]:
        """Return the money that the gateway moved for an invoice, or for all of the firm's."""
        wanted = {"firm": str(self.firm.pk)}
        if invoice:
            wanted["invoice"] = str(invoice.pk)
        return self.sandbox.stripe.charges_made(metadata=wanted)


def open_shop(sandbox: Sandbox, **firm: Any) -> Shop:
    """Return a firm in New York with an owner and an account at the sandbox."""
    made: Firm = FirmFactory(**firm)
    MembershipFactory(firm=made, roles=["owner"])
    key = f"sk_test_{made.slug.replace('-', '_')}"
    secret = f"whsec_{made.slug.replace('-', '_')}"
    sandbox.stripe.add_account(secret_key=key, webhook_secret=secret)
    GatewayAccount.objects.create(
        firm=made,
        provider=GatewayAccount.Provider.STRIPE,
        credentials=Secrets(secret_key=key, webhook_secret=secret),
    )
    return Shop(sandbox, made, key)


@contextmanager
def at(instant: str | datetime) -> Iterator[None]:
    """Let the block happen at an instant."""
    with time_machine.travel(instant, tick=False):
        yield


def collect(when: str | datetime = NOON, **options: Any) -> str:
    """Run the job at an instant and return what it said, also when it failed."""
    out = io.StringIO()
    with at(when):
        try:
            call_command("process_recurring_charges", stdout=out, **options)
        except CommandError as error:
            out.write(f"{type(error).__name__}: {error}\n")
    return out.getvalue()


def state(invoice: Invoice) -> tuple[str, str, int]:
    """Return what the row says now: status, autopay, failures."""
    invoice.refresh_from_db()
    return invoice.status, invoice.autopay_status, invoice.autopay_failure_count


def attempts(invoice: Invoice) -> list[tuple[int, str]]:
    """Return the attempts to charge an invoice: minor units and what became of them."""
    rows = PaymentAttempt.objects.filter(invoice=invoice).order_by("ordinal")
    return list(rows.values_list("amount_minor", "status"))


def instant(text: str) -> datetime:
    """Return a UTC instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
