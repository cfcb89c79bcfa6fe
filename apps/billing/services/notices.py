"""Who is told what about a charge, in the transaction that records it."""

from collections.abc import Sequence

from apps.billing.messages import (
    AUTHENTICATION_NEEDED,
    CHARGE_FAILED,
    CHARGE_GIVEN_UP,
    CHARGE_UNDECIDED,
    COLLECTING_FAILED,
    NO_CARD,
    PAYMENT_RECEIVED,
    facts_of,
)
from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.core import days, money
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

Autopay = Invoice.Autopay
FailureClass = PaymentAttempt.FailureClass


def tell_paid(payment: Payment, invoice: Invoice) -> None:
    """Send a customer the receipt of a payment that the gateway collected."""
    invoice = Invoice.objects.select_related("firm", "account__contact").get(pk=invoice.pk)
    surplus = sum(
        credit.amount_minor for credit in payment.credits.all() if credit.amount_minor > 0
    )
    method = payment.attempt.payment_method if payment.attempt else None
    _tell_customer(
        PAYMENT_RECEIVED,
        invoice,
        f"payment-received:{payment.pk}",
        amount=money.write_grouped(payment.amount),
        card=str(method) if method else "your card",
        paid_on=payment.effective_on.isoformat(),
        credit=_written(surplus, invoice) if surplus else "",
        balance=money.write_grouped(invoice.balance) if invoice.open_minor else "",
    )


def tell_declined(attempt: PaymentAttempt, invoice: Invoice) -> None:
    """Tell a customer that a charge failed and what follows, once for each attempt.

    When nothing more will be tried, the firm's people in charge are told too.
    """
    asked = money.write_grouped(attempt.amount)
    card = str(attempt.payment_method)
    key = f"charge-failed:{attempt.pk}"
    if invoice.autopay_status == Autopay.NEEDS_ACTION:
        _tell_customer(AUTHENTICATION_NEEDED, invoice, key, amount=asked)
        return
    if invoice.autopay_next_charge_at:
        zone = days.zone(invoice.firm.timezone)
        next_on = invoice.autopay_next_charge_at.astimezone(zone).date().isoformat()
        _tell_customer(CHARGE_FAILED, invoice, key, amount=asked, card=card, next_on=next_on)
        return
    dead = attempt.failure_class == FailureClass.HARD
    _tell_customer(
        CHARGE_GIVEN_UP,
        invoice,
        key,
        amount=asked,
        card=card,
        card_is_dead=dead,
        failures=invoice.autopay_failure_count,
    )
    _tell_people_in_charge(
        COLLECTING_FAILED,
        attempt,
        f"collecting-failed:{attempt.pk}",
        customer=str(invoice.account.contact),
        why="the card cannot be charged any more" if dead else "no retries left",
    )


def tell_undecided(attempt: PaymentAttempt) -> None:
    """Ask a firm's people in charge what became of a charge that nobody can find out."""
    _tell_people_in_charge(
        CHARGE_UNDECIDED,
        attempt,
        f"charge-undecided:{attempt.pk}",
        requested_at=attempt.requested_at.isoformat(),
    )


def tell_no_card(invoices: Sequence[Invoice]) -> None:
    """Ask customers for a card that can be charged, once for each invoice.

    The invoices come with their account's contact.
    """
    notify(
        [
            Draft(
                type=NO_CARD,
                firm_id=invoice.firm_id,
                recipient=invoice.account.contact,
                dedupe_key=f"no-card:{invoice.pk}",
                about=invoice,
                context=facts_of(invoice, amount=money.write_grouped(invoice.balance)),
            )
            for invoice in invoices
        ]
    )


def _tell_customer(
    type: NotificationType, invoice: Invoice, key: str, *, amount: str, **facts: object
) -> None:
    draft = Draft(
        type=type,
        firm_id=invoice.firm_id,
        recipient=invoice.account.contact,
        dedupe_key=key,
        about=invoice,
        context=facts_of(invoice, amount=amount, **facts),
    )
    notify([draft])


def _tell_people_in_charge(
    type: NotificationType, attempt: PaymentAttempt, key: str, **facts: object
) -> None:
    invoice = attempt.invoice
    context = facts_of(invoice, amount=money.write_grouped(attempt.amount), **facts)
    notify(
        [
            Draft(
                type=type,
                firm_id=invoice.firm_id,
                recipient=person,
                dedupe_key=key,
                about=attempt,
                context=context,
            )
            for person in in_charge([invoice.firm_id]).get(invoice.firm_id, ())
        ]
    )


def _written(minor: int, invoice: Invoice) -> str:
    return money.write_grouped(money.from_minor(minor, invoice.currency))
