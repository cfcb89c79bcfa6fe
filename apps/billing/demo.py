"""Acme's customers in every state that autopay knows, and Alice's card (spec E3.1).

What the gateway knows of them is in ``fixtures/sandbox.json``, under the same references.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from apps.billing.models import (
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAttempt,
    PaymentMethod,
)
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices, record_payment
from apps.billing.services.declines import RETRY_DAYS
from apps.billing.services.gateways import PROVIDER
from apps.contacts.models import Contact
from apps.core import days
from apps.core.days import Clock
from apps.core.demo import World
from apps.firms.models import Firm

NET_DAYS = 30
DEBITED = 4  # days ago; a day later the charging job would ask about it by itself

Autopay = Invoice.Autopay
Status = PaymentAttempt.Status
FailureClass = PaymentAttempt.FailureClass


def seed(world: World) -> None:
    """Make the customers with their cards, invoices and the attempts to charge them."""
    facts = world.fixture("billing")
    firm = Firm.objects.get(slug=facts["firm"])
    for entry in facts["customers"]:
        contact = Contact.objects.create(
            firm=firm,
            kind=Contact.Kind.ORGANISATION,
            display_name=entry["name"],
            email=entry["email"],
        )
        account = BillingAccount.objects.create(
            firm=firm, contact=contact, currency=firm.currency, autopay_enabled=True
        )
        card = _store(account, entry, world)
        invoice = _issue(account, entry["invoice"], world)
        STORIES[entry["story"]](invoice, card, entry, world)
        world.count("autopay invoices", 1)
    for entry in facts["renters"]:
        account = BillingAccount.objects.get(contact__user__username=entry["username"])
        _store(account, entry, world)


def _store(
    account: BillingAccount, entry: Mapping[str, Any], world: World
) -> PaymentMethod | None:
    account.gateway_customer = entry["gateway_customer"]
    if card := entry.get("card"):
        account.default_payment_method = PaymentMethod.objects.create(
            firm_id=account.firm_id,
            account=account,
            provider=PROVIDER,
            provider_ref=card["ref"],
            brand=card["brand"],
            last4=card["last4"],
            exp_month=12,
            exp_year=world.clock.now.year + 3,
        )
        world.count("cards", 1)
    account.save()
    return account.default_payment_method


def _issue(account: BillingAccount, facts: Mapping[str, Any], world: World) -> Invoice:
    today = account.firm.today(world.clock)
    issued = today - timedelta(days=facts["issued_days_ago"])
    due = issued + timedelta(days=NET_DAYS)
    line = LineDraft(InvoiceLine.Kind.OTHER, facts["what"], facts["amount_minor"])
    draft = InvoiceDraft(
        account=account,
        kind=Invoice.Kind.MANUAL,
        lines=[line],
        issue_date=issued,
        due_date=due,
        autopay=True,
        autopay_charge_at=days.local_midnight(due, account.firm.timezone),
    )
    [invoice] = issue_invoices([draft], now=days.local_midnight(issued, account.firm.timezone))
    if paid := facts.get("paid_minor"):
        _pay(invoice, paid, world, days_ago=facts["issued_days_ago"] - 2)
    invoice.refresh_from_db()
    return invoice


def _pay(
    invoice: Invoice,
    minor: int,
    world: World,
    *,
    days_ago: int,
    gateway_ref: str = "",
    status: Payment.Status = Payment.Status.SUCCEEDED,
    attempt: PaymentAttempt | None = None,
) -> None:
    firm = invoice.firm
    on = firm.today(world.clock) - timedelta(days=days_ago)
    at = days.local_instant(on, time(10), firm.timezone)
    by_debit = status == Payment.Status.PENDING
    record_payment(
        account=invoice.account,
        amount_minor=minor,
        method=Payment.Method.BANK_DEBIT
        if by_debit
        else Payment.Method.CARD
        if gateway_ref
        else Payment.Method.BANK,
        effective_on=on,
        now=at,
        today=on,
        invoices=[invoice],
        status=status,
        gateway=PROVIDER.value if gateway_ref else "",
        gateway_ref=gateway_ref,
        attempt=attempt,
    )


def _attempt(
    invoice: Invoice,
    card: PaymentMethod | None,
    at: datetime,
    status: Status,
    *,
    code: str = "",
    failure: FailureClass = FailureClass.NONE,
    gateway_ref: str = "",
) -> PaymentAttempt:
    assert card is not None
    ordinal = invoice.attempts.count() + 1
    return PaymentAttempt.objects.create(
        firm=invoice.firm,
        invoice=invoice,
        payment_method=card,
        ordinal=ordinal,
        idempotency_key=f"autopay-demo-{card.provider_ref}-{ordinal}",
        amount_minor=invoice.open_minor,
        currency=invoice.currency,
        status=status,
        failure_class=failure,
        decline_code=code,
        gateway_ref=gateway_ref,
        requested_at=at,
        resolved_at=None if status in PaymentAttempt.OPEN else at,
        autopay_before=Autopay.SCHEDULED,
    )


def _at(invoice: Invoice, clock: Clock, *, days_ago: int) -> datetime:
    """Return the third hour of a local day, at which the source's schedule charged."""
    on = invoice.firm.today(clock) - timedelta(days=days_ago)
    return days.local_instant(on, time(3), invoice.firm.timezone)


# ---- how autopay stands with each of them -------------------------------------------------


def _retrying(invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World) -> None:
    """Declined once for lack of funds; to be tried again since yesterday."""
    at = _at(invoice, world.clock, days_ago=1 + RETRY_DAYS[0])
    _attempt(
        invoice,
        card,
        at,
        Status.DECLINED,
        code="insufficient_funds",
        failure=FailureClass.SOFT,
    )
    _plan(invoice, Autopay.RETRYING, failures=1, at=_at(invoice, world.clock, days_ago=1))


def _given_up(invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World) -> None:
    """Declined four times, on the days 0, 3, 10 and 24 (C-6)."""
    for days_ago in (34, 31, 24, 10):
        at = _at(invoice, world.clock, days_ago=days_ago)
        _attempt(
            invoice,
            card,
            at,
            Status.DECLINED,
            code="generic_decline",
            failure=FailureClass.SOFT,
        )
    _plan(invoice, Autopay.FAILED, failures=1 + len(RETRY_DAYS))


def _needs_action(invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World) -> None:
    """The bank wants the customer to confirm."""
    _attempt(
        invoice,
        card,
        _at(invoice, world.clock, days_ago=4),
        Status.REQUIRES_ACTION,
        code="authentication_required",
        failure=FailureClass.AUTHENTICATION,
    )
    _plan(invoice, Autopay.NEEDS_ACTION)


def _no_card(invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World) -> None:
    """Opted in, and there is nothing to charge."""


def _event_lost(invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World) -> None:
    """A bank debit that arrived; the gateway's news of it did not."""
    reference = entry["gateway_ref"]
    at = _at(invoice, world.clock, days_ago=DEBITED)
    attempt = _attempt(invoice, card, at, Status.PROCESSING, gateway_ref=reference)
    pending = Payment.Status.PENDING
    _pay(
        invoice,
        invoice.open_minor,
        world,
        days_ago=DEBITED,
        gateway_ref=reference,
        status=pending,
        attempt=attempt,
    )
    _plan(invoice, Autopay.PROCESSING)


def _refund_unknown(
    invoice: Invoice, card: Any, entry: Mapping[str, Any], world: World
) -> None:
    """Paid by card; somebody refunded part of it in the gateway's own pages."""
    reference = entry["gateway_ref"]
    at = _at(invoice, world.clock, days_ago=6)
    attempt = _attempt(invoice, card, at, Status.SUCCEEDED, gateway_ref=reference)
    _pay(
        invoice,
        invoice.open_minor,
        world,
        days_ago=6,
        gateway_ref=reference,
        attempt=attempt,
    )
    _plan(invoice, Autopay.SUCCEEDED)


STORIES = {
    "retrying": _retrying,
    "given_up": _given_up,
    "needs_action": _needs_action,
    "no_card": _no_card,
    "event_lost": _event_lost,
    "refund_unknown": _refund_unknown,
}


def _plan(
    invoice: Invoice, status: Autopay, *, failures: int = 0, at: datetime | None = None
) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(
        autopay_status=status, autopay_failure_count=failures, autopay_next_charge_at=at
    )
