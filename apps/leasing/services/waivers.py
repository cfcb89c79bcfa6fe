"""Taking late fees back: waived by a person, reversed when the rent had come in time.

The assessment keeps its key in every state, so the job never charges the same fee again.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.billing.models import AccountCredit, Invoice, InvoiceLine, Payment, PaymentAllocation
from apps.billing.services.corrections import credit_line
from apps.billing.services.payments import principal_covered_on, record_payment
from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.models import User
from apps.leasing.models import LateFeeAssessment, Lease, Property

PAID_IN_TIME = "The rent had been paid in time."
LOOK_BACK = timedelta(days=366)  # older fees are reversed only when a payment names them

State = LateFeeAssessment.State


def waive_late_fee(
    *,
    assessment: LateFeeAssessment,
    actor: User | None,
    reason: str,
    today: date,
    now: datetime,
) -> LateFeeAssessment:
    """Waive a late fee: its amount is credited, and it is never charged again.

    ``today`` is the date at the property. What had been paid for it becomes account credit.
    Raises ``Problem`` when it has been taken back before.
    """
    return _take_back(assessment, State.WAIVED, actor, reason, today, now)


def reverse_late_fee(
    *,
    assessment: LateFeeAssessment,
    actor: User | None,
    reason: str,
    today: date,
    now: datetime,
) -> LateFeeAssessment:
    """Reverse a late fee that should not have been charged; otherwise like waiving it."""
    return _take_back(assessment, State.REVERSED, actor, reason, today, now)


def record_rent_payment(
    *,
    lease: Lease,
    amount_minor: int,
    method: Payment.Method,
    effective_on: date,
    now: datetime,
    invoices: Sequence[Invoice] | None = None,
    gateway: str = "",
    gateway_ref: str = "",
    note: str = "",
) -> Payment:
    """Record a payment of a lease's renters and reverse the late fees it proves wrong.

    ``effective_on`` is the date at the property on which the payer paid (a check's own), and
    ``amount_minor`` is in minor units of the account's currency.
    """
    today = lease.unit.property.today(Clock(now=now))
    with transaction.atomic():
        payment = record_payment(
            account=lease.account,
            amount_minor=amount_minor,
            method=method,
            effective_on=effective_on,
            now=now,
            today=today,
            invoices=invoices,
            gateway=gateway,
            gateway_ref=gateway_ref,
            note=note,
        )
        covered = payment.allocations.values_list("invoice_id", flat=True)
        recheck_late_fees(invoice_ids=set(covered), today=today, now=now)
    return payment


def recheck_late_fees(
    *, invoice_ids: Collection[int], today: date, now: datetime
) -> list[LateFeeAssessment]:
    """Reverse the late fees of invoices whose principal had been paid in time after all."""
    applied = LateFeeAssessment.objects.filter(invoice__in=invoice_ids, state=State.APPLIED)
    return [
        reverse_late_fee(
            assessment=assessment, actor=None, reason=PAID_IN_TIME, today=today, now=now
        )
        for assessment in unjustified(applied.order_by("pk"))
    ]


def unjustified(assessments: Iterable[LateFeeAssessment]) -> list[LateFeeAssessment]:
    """Return the assessments whose invoice was paid by the last day that was in time.

    A balance below the minimum of the terms counts as paid, as it does when fees are
    charged. A constant number of queries.
    """
    found = list(assessments)
    small = {one.invoice_id: one.config.get("min_balance_minor", 0) for one in found}
    covered = principal_covered_on(small.keys(), but_for=small)
    return [
        assessment
        for assessment in found
        if (on := covered.get(assessment.invoice_id)) is not None
        and on.isoformat() <= assessment.config.get("in_time_until", "")
    ]


def paid_since(homes: "QuerySet[Property]", today: date) -> Iterator[LateFeeAssessment]:
    """Yield applied fees that payments recorded since prove wrong, page by page."""
    later = {"invoice": OuterRef("invoice"), "created_at__gte": OuterRef("created_at")}
    applied = (
        LateFeeAssessment.objects.filter(
            state=State.APPLIED,
            assessed_on__gte=today - LOOK_BACK,
            invoice__rent_period__lease__unit__property__in=homes,
        )
        .exclude(invoice__status__in=Invoice.BY_HAND)
        .select_related("invoice")
    )
    payments = PaymentAllocation.objects.filter(
        **later, payment__effective_on__lt=OuterRef("assessed_on")
    )
    credits = AccountCredit.objects.filter(**later, effective_on__lt=OuterRef("assessed_on"))
    seen = set[int]()
    # Two queries: OR would keep PostgreSQL from joining either.
    for since in (payments, credits):
        for page in batches.batched(batches.by_key(applied.filter(Exists(since)))):
            fresh = [assessment for assessment in page if assessment.pk not in seen]
            seen.update(assessment.pk for assessment in fresh)
            yield from unjustified(fresh)


def _take_back(
    assessment: LateFeeAssessment,
    state: LateFeeAssessment.State,
    actor: User | None,
    reason: str,
    today: date,
    now: datetime,
) -> LateFeeAssessment:
    with transaction.atomic():
        # The conditional update claims it: of two at once, one finds nothing to do.
        claimed = LateFeeAssessment.objects.filter(pk=assessment.pk, state=State.APPLIED)
        if not claimed.update(state=state, updated_at=Now()):
            assessment.refresh_from_db()
            raise Problem(f"This late fee is {assessment.state} already.")
        assessment.state = state
        credit_line(
            invoice=assessment.fee_invoice or assessment.invoice,
            amount_minor=assessment.fee_minor,
            description=f"Late fee {state.value}",
            kind=InvoiceLine.Kind.LATE_FEE,
            today=today,
            now=now,
            actor=actor,
            reason=reason,
        )
        audit.record(
            f"late_fee_{state.value}",
            assessment,
            actor=actor,
            changes={
                "state": [State.APPLIED.value, state.value],
                "fee_minor": assessment.fee_minor,
            },
            reason=reason,
        )
    return assessment
