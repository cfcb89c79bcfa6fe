"""The gateway's pages on which a customer pays an invoice or stores a card.

Opening one moves no money, so nothing is written down first: the idempotency key is made of
what is asked for, and whoever clicks twice is sent to the same page. What was paid is told
by the gateway's events, never by the customer coming back.
"""

from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, TextChoices
from django.urls import reverse

from apps.billing.models import BillingAccount, Invoice, PaymentAttempt, PaymentMethod
from apps.billing.services.cards import WAITING_FOR_A_CARD, ensure_customer, key_for
from apps.billing.services.gateways import PROVIDER, payments_for
from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.integrations.payments import CardSetup, Checkout, Refused
from apps.integrations.payments.amounts import minimum, to_gateway
from apps.webhooks.models import GatewayAccount
from apps.webhooks.services import find_account

Asked = TypeVar("Asked", Checkout, CardSetup)

CHECKOUT, CARD = "checkout", "card"  # purposes, in the gateway's metadata


class Obstacle(TextChoices):
    """Why an invoice cannot be paid on a page now; the label is the page's heading."""

    PAID = "paid", "This invoice is paid"
    CLOSED = "closed", "Nothing is to be paid on this invoice"
    DISPUTED = "disputed", "This invoice is being looked into"
    UNDER_WAY = "under_way", "A payment is under way"
    ODD_AMOUNT = "odd_amount", "This amount cannot be paid by card"
    OFFLINE = "offline", "This cannot be done here at the moment"


class Offline(Problem):
    """The firm has no gateway account that can be used."""


def find_invoice(invoice_id: int | None) -> Invoice | None:
    """Return an issued invoice with whom it concerns, and whether a charge is under way."""
    if invoice_id is None:
        return None
    attempts = PaymentAttempt.objects.filter(
        invoice=OuterRef("pk"), status__in=PaymentAttempt.OPEN
    )
    issued = Invoice.objects.exclude(status=Invoice.Status.DRAFT).filter(pk=invoice_id)
    about = issued.select_related("firm", "account__contact")
    return about.annotate(is_being_charged=Exists(attempts)).first()


def find_customer(account_id: int | None) -> BillingAccount | None:
    """Return a customer's account with whom it concerns."""
    if account_id is None:
        return None
    about = BillingAccount.objects.select_related("firm", "contact", "default_payment_method")
    return about.filter(pk=account_id).first()


def why_not_payable(invoice: Invoice) -> Obstacle | None:
    """Return why nobody can pay an invoice of ``find_invoice`` now, None if they can.

    A charge that is under way is not raced: the customer would pay twice.
    """
    if invoice.status == Invoice.Status.PAID:
        return Obstacle.PAID
    if invoice.status not in Invoice.COLLECTABLE:
        return Obstacle.CLOSED
    if invoice.in_dispute:
        return Obstacle.DISPUTED
    if invoice.is_being_charged:  # type: ignore[attr-defined]  # annotated
        return Obstacle.UNDER_WAY
    if not _is_sayable(invoice):
        return Obstacle.ODD_AMOUNT
    return why_not_online(invoice.firm)


def why_not_online(firm: Firm) -> Obstacle | None:
    """Return why a firm's customers cannot use the gateway's pages now, None if they can."""
    usable = firm.is_active and find_account(firm_id=firm.pk, provider=PROVIDER)
    return None if usable else Obstacle.OFFLINE


def waiting_for_a_card(account: BillingAccount) -> "QuerySet[Invoice]":
    """Return the invoices that a new card will be charged for, first due first."""
    waiting = account.invoices.filter(autopay_status__in=WAITING_FOR_A_CARD)
    return waiting.collectable().order_by("due_date", "pk")


def open_payment_page(*, invoice: Invoice, token: str, now: datetime) -> str:
    """Return the address of the gateway's page on which an invoice is paid.

    ``token`` is that of the link by which the customer came, and will come back. Not to be
    called inside a transaction. The same invoice, as it stands, has one page a day: the
    gateway's pages live for 24 hours. Raises ``Offline`` and what the gateway raises.
    """
    with closing(payments_for(_gateway(invoice.firm))) as payments:
        asked = Checkout(
            amount=to_gateway(invoice.open_minor, invoice.currency),
            currency=invoice.currency,
            customer=ensure_customer(account=invoice.account, payments=payments),
            label=f"Invoice {invoice.number}",
            metadata={
                "firm": str(invoice.firm_id),
                "invoice": str(invoice.pk),
                "purpose": CHECKOUT,
            },
            success_url=_address("billing:thanks", token),
            cancel_url=_address("billing:cancelled", token),
            idempotency_key="",
        )
        return payments.checkout(_keyed(CHECKOUT, asked, invoice.revision, _day(now)))


def open_card_page(*, account: BillingAccount, token: str, now: datetime) -> str:
    """Return the address of the gateway's page on which a customer stores a new card.

    As ``open_payment_page``; once a card is stored, the next page is another one.
    """
    stored = PaymentMethod.objects.filter(account=account).count()
    with closing(payments_for(_gateway(account.firm))) as payments:
        asked = CardSetup(
            currency=account.currency,
            customer=ensure_customer(account=account, payments=payments),
            metadata={
                "firm": str(account.firm_id),
                "account": str(account.pk),
                "purpose": CARD,
            },
            success_url=_address("billing:card_thanks", token),
            cancel_url=_address("billing:card_cancelled", token),
            idempotency_key="",
        )
        return payments.set_up_card(_keyed(CARD, asked, stored, _day(now)))


# ---- inside -------------------------------------------------------------------------------


def _gateway(firm: Firm) -> GatewayAccount:
    account = find_account(firm_id=firm.pk, provider=PROVIDER)
    if account is None:
        raise Offline(f"{firm} has no usable gateway account.")
    return account


def _is_sayable(invoice: Invoice) -> bool:
    """Tell whether the gateway takes an invoice's open amount (spec A3.3)."""
    try:
        to_gateway(invoice.open_minor, invoice.currency)
    except Refused:
        return False
    return invoice.open_minor >= (minimum(invoice.currency) or 1)


def _address(name: str, token: str) -> str:
    return f"{settings.SITE_URL}{reverse(name, args=[token])}"


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def _keyed(purpose: str, asked: Asked, *also: object) -> Asked:
    """Give a request the key that belongs to everything it says."""
    says = [(field.name, getattr(asked, field.name)) for field in fields(asked)]
    return replace(asked, idempotency_key=key_for(purpose, says, *also))
