"""What our books say of payments, read for a page of them at a time."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from django.db.models import BigIntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from apps.billing.models import (
    AccountCredit,
    Invoice,
    Payment,
    PaymentAllocation,
    PaymentAttempt,
)
from apps.billing.services.gateways import PROVIDER
from apps.billing.services.payments import RECEIVED
from apps.billing.services.reconciling.sides import Entry
from apps.core import batches
from apps.firms.models import Firm
from apps.integrations.payments import Intent

Status = Payment.Status


def entries(
    firm: Firm, intents: Sequence[Intent], unknown: Sequence[str] = (), *, until: datetime
) -> dict[str, Entry]:
    """Return what our books say of payments, by the gateway's reference.

    A payment names what it is for; of ``unknown`` ones only the reference is known. Left out
    is what changed after ``until``: the gateway may have been asked before that. The same
    five statements for any number of them.
    """
    known = {intent.id: intent for intent in intents}
    references = [*known, *unknown]
    payments = _payments(references)
    attempts = _attempts(firm, references, known.values())
    by_allocation = _covered(payments.values())
    wanted = {attempt.invoice_id for attempt in attempts.values()} | set(by_allocation.values())
    wanted |= {pk for intent in known.values() if (pk := intent.named("invoice"))}
    invoices = Invoice.objects.filter(firm=firm).in_bulk(wanted)
    found = {}
    for reference in references:
        payment, attempt = payments.get(reference), attempts.get(reference)
        if payment is not None and payment.updated_at > until:
            continue
        pk = attempt.invoice_id if attempt else None
        if pk is None and reference in known:
            pk = known[reference].named("invoice")
        if pk is None:
            pk = by_allocation.get(reference)
        found[reference] = Entry(
            payment=payment,
            refunded_minor=_given_back(payment) if payment is not None else 0,
            attempt=attempt,
            invoice=invoices.get(pk) if pk else None,
        )
    return found


def received_for(invoices: Collection[int]) -> Iterator[tuple[int, str, int]]:
    """Yield what our books have of the gateway for invoices: the key, reference and amount.

    Two statements and no join, for which a database might begin with all payments.
    """
    allocations = PaymentAllocation.objects.filter(invoice__in=invoices).order_by("pk")
    covering = list(allocations.values_list("invoice_id", "payment_id", "amount_minor"))
    payments = Payment.objects.filter(
        pk__in={payment for _, payment, _ in covering},
        gateway=PROVIDER.value,
        status__in=RECEIVED,
    )
    references = dict(payments.exclude(gateway_ref="").values_list("pk", "gateway_ref"))
    for invoice, payment, amount in covering:
        if payment in references:
            yield invoice, references[payment], amount


def under_review(firm: Firm, *, since: datetime, until: datetime) -> Iterator[str]:
    """Yield the references of what changed lately or has not ended yet."""
    lately = Q(updated_at__gte=since, updated_at__lte=until)
    unsettled = Q(status__in=[Status.PENDING, Status.DISPUTED])
    payments = Payment.objects.filter(lately | unsettled, firm=firm, gateway=PROVIDER.value)
    attempts = PaymentAttempt.objects.filter(
        lately | Q(status__in=PaymentAttempt.OPEN), firm=firm
    )
    for some in batches.pages(payments.exclude(gateway_ref="").only("gateway_ref")):
        yield from (payment.gateway_ref for payment in some)
    for asked in batches.pages(attempts.exclude(gateway_ref="").only("gateway_ref")):
        yield from (attempt.gateway_ref for attempt in asked)


def not_over(firm: Firm, references: Sequence[str]) -> list[str]:
    """Return those payments that our books have, and not as given back altogether."""
    payments = _by_reference(references).filter(firm=firm).exclude(status=Status.REFUNDED)
    return list(payments.values_list("gateway_ref", flat=True))


def _by_reference(references: Collection[str]) -> "QuerySet[Payment]":
    # Not empty: said for the partial index, which a database does not use otherwise.
    found = Payment.objects.filter(gateway=PROVIDER.value, gateway_ref__in=references)
    return found.exclude(gateway_ref="")


def _payments(references: Collection[str]) -> "dict[str, Payment]":
    """Of every firm: another one's books may hold the payment."""
    zero = Value(0, BigIntegerField())
    covering = _sum(PaymentAllocation.objects.filter(payment=OuterRef("pk")))
    credit = _sum(AccountCredit.objects.filter(payment=OuterRef("pk")))
    payments = _by_reference(references).annotate(
        covering=Coalesce(covering, zero), came_as_credit=Coalesce(credit, zero)
    )
    return {payment.gateway_ref: payment for payment in payments}


def _sum(rows: "QuerySet[PaymentAllocation] | QuerySet[AccountCredit]") -> Subquery:
    added = rows.order_by().values("payment").annotate(added=Sum("amount_minor"))
    return Subquery(added.values("added"))


def _given_back(payment: Payment) -> int:
    """What of an annotated payment was refunded; the rule is that of ``given_back``."""
    if payment.status in {Status.PENDING, Status.FAILED}:
        return 0
    covering, credit = getattr(payment, "covering", 0), getattr(payment, "came_as_credit", 0)
    return payment.amount_minor - int(covering) - int(credit)


def _attempts(
    firm: Firm, references: Collection[str], intents: Iterable[Intent]
) -> dict[str, PaymentAttempt]:
    """Return the attempts that asked for payments: named in them, or known by reference."""
    names = {intent.id: pk for intent in intents if (pk := intent.named("attempt"))}
    of_firm = PaymentAttempt.objects.filter(firm=firm)
    by_key = of_firm.in_bulk(names.values())
    known = of_firm.filter(gateway_ref__in=references).exclude(gateway_ref="")
    return {attempt.gateway_ref: attempt for attempt in known} | {
        reference: by_key[pk] for reference, pk in names.items() if pk in by_key
    }


def _covered(payments: Iterable[Payment]) -> dict[str, int]:
    """Return the first invoice that each payment covers."""
    references = {payment.pk: payment.gateway_ref for payment in payments}
    rows = PaymentAllocation.objects.filter(payment__in=references).order_by("-pk")
    newest_first = rows.values_list("payment_id", "invoice_id")  # so that the first one stays
    return {references[payment]: invoice for payment, invoice in newest_first}
