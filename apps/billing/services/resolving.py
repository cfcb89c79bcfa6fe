"""Attempts that a crash or a time-out left without an answer: find out, never charge twice.

While the gateway still remembers the idempotency key, the identical request returns the
original outcome or performs it once. Afterwards a repetition would be a second charge, so the
customer's payments are searched for the attempt instead (spec D2, step 0). A debit that is
under way at the bank is left to its event; when that does not come, it is asked about too.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db.models import Q, QuerySet

from apps.billing.models import Invoice, PaymentAttempt
from apps.billing.services.till import Asked, Till, Undecided
from apps.core import batches
from apps.core.days import Clock
from apps.core.reports import Item, Subject
from apps.integrations.payments import Intent, IntentStatus, Refused, Unreachable

UNANSWERED = timedelta(minutes=5)  # by then nobody is still waiting for the answer
UNDER_WAY = timedelta(days=5)  # by then a bank has debited an account, or has said no
KEY_LIFETIME = timedelta(hours=23)  # the gateway forgets keys after 24 hours
EARLIER = timedelta(hours=1)  # clocks differ; search from a little before the request

BATCH = 100

Status = PaymentAttempt.Status


def unanswered(clock: Clock) -> "QuerySet[PaymentAttempt]":
    """Return the attempts whose answer, or whose event, does not come by itself any more."""
    in_flight = Q(status=Status.IN_FLIGHT, requested_at__lt=clock.now - UNANSWERED)
    under_way = Q(status=Status.PROCESSING, requested_at__lt=clock.now - UNDER_WAY)
    return PaymentAttempt.objects.filter(in_flight | under_way)


def resolve(till: Till) -> None:
    """Find out what became of a firm's unanswered attempts, and record it."""
    attempts = unanswered(till.clock).filter(firm=till.firm)
    till.report.attempt_each(
        batches.by_key(attempts.select_related("invoice__account", "payment_method")),
        _announce,
        subject=_subject,
        size=BATCH,
        then=partial(_find_out, till),
    )


def _subject(attempt: PaymentAttempt) -> Subject:
    return Subject.of(attempt.invoice, part=f"attempt {attempt.ordinal}")


def _announce(items: Sequence[Item[PaymentAttempt]]) -> None:
    for item in items:
        item.does("resolve")
        item.says(
            "",
            would=f"Would ask what became of the charge of {item.subject.label}",
            bullet="•",
        )


def _find_out(till: Till, items: Sequence[Item[PaymentAttempt]]) -> None:
    if till.opens():
        till.ask_all(
            [Asked(item, item.thing, partial(_outcome, till, item.thing)) for item in items]
        )


def _outcome(till: Till, attempt: PaymentAttempt) -> Intent | None:
    """Return the payment that an attempt led to, None when it certainly led to none.

    Runs in a thread, without the database.
    """
    if attempt.gateway_ref:
        return _look_up(till, attempt.gateway_ref)
    fresh = till.clock.now - attempt.requested_at < KEY_LIFETIME
    if not (fresh and _still_owed(attempt)):
        return _search(till, attempt)
    try:
        return till.payments.charge(till.request_for(attempt))
    except Unreachable:
        # A stored 500 would be answered until the key is forgotten. What the gateway did
        # nevertheless can be seen; that it did nothing cannot.
        if found := _search(till, attempt):
            return found
        raise


def _still_owed(attempt: PaymentAttempt) -> bool:
    """Tell whether the customer still owes what the attempt asks for."""
    invoice = attempt.invoice
    return invoice.status in Invoice.COLLECTABLE and invoice.open_minor >= attempt.amount_minor


def _search(till: Till, attempt: PaymentAttempt) -> Intent | None:
    """Look for an attempt's payment among its customer's, by the metadata."""
    since = attempt.requested_at - EARLIER
    customer = attempt.invoice.account.gateway_customer
    try:
        found = [
            intent
            for intent in till.payments.intents(since=since, customer=customer)
            if intent.metadata.get("attempt") == str(attempt.pk)
        ]
    except Refused:  # such as a customer who was deleted there: what is not listed may be
        raise Undecided from None
    found.sort(key=lambda intent: intent.status != IntentStatus.SUCCEEDED)
    return _look_up(till, found[0].id) if found else None


def _look_up(till: Till, reference: str) -> Intent:
    try:
        return till.payments.intent(reference)
    except Refused:
        raise Undecided from None
