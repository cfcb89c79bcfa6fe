"""What happened in a firm on its local days, and how things stand (spec D28)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce

from apps.billing.models import AccountCredit, Invoice, Payment, PaymentAllocation, Refund
from apps.core import money
from apps.core.days import DAY, local_midnight
from apps.fieldwork.models import Estimate, Payout, WorkOrder, WorkOrderEvent
from apps.firms.models import Firm

Work = Invoice.Kind.WORK
Status = WorkOrder.Status

ARRIVED = (
    Payment.Status.SUCCEEDED,
    Payment.Status.PARTIALLY_REFUNDED,
    Payment.Status.REFUNDED,
    Payment.Status.DISPUTED,
)


@dataclass(frozen=True, slots=True)
class Span:
    """Some local days of a firm, from one local midnight to another.

    Days have 23 or 25 hours when the clocks change; no instant is in two days or in none.
    """

    firm: Firm
    first: date
    last: date

    def has(self, field: str) -> Q:
        """Return the condition that an instant is in these days."""
        start = local_midnight(self.first, self.firm.timezone)
        end = local_midnight(self.last + DAY, self.firm.timezone)
        return Q(**{f"{field}__gte": start, f"{field}__lt": end})


def activity(span: Span) -> dict[str, Any]:
    """Return what happened in some days, as the summary shows it. Five statements."""
    firm = span.firm
    orders = WorkOrder.objects.for_firm(firm).filter(span.has("created_at"))
    # A job that was reopened and completed again counts once.
    completions = WorkOrderEvent.objects.filter(
        span.has("occurred_at"), firm=firm, kind=WorkOrderEvent.Kind.COMPLETED
    )
    estimates = Estimate.objects.filter(span.has("submitted_at"), firm=firm)
    paid = Payout.objects.filter(span.has("paid_at"), firm=firm).values("currency")
    payouts = paid.annotate(number=Count("pk"), minor=Sum("amount_minor")).order_by("currency")
    sums = {row["currency"]: row["minor"] for row in payouts}
    number = sum(row["number"] for row in payouts)
    return {
        "first": str(span.first),
        "last": str(span.last),
        "created": orders.count(),
        "completed": completions.aggregate(jobs=Count("work_order", distinct=True))["jobs"],
        "estimates": estimates.count(),
        "payouts": f"{number} ({write_sums(sums, firm)})",
        "revenue": write_sums(_revenue(span), firm),
    }


def standing(firm: Firm, today: date) -> dict[str, int]:
    """Return how things stand in a firm now. Two statements."""
    orders = WorkOrder.objects.for_firm(firm)
    counts: dict[str, int] = orders.aggregate(
        total=Count("pk", filter=~Q(status=Status.CANCELLED)),
        pending=Count("pk", filter=Q(status=Status.PENDING)),
        active=Count("pk", filter=Q(status__in=[Status.ASSIGNED, Status.IN_PROGRESS])),
        completions=Count("pk", filter=Q(status=Status.COMPLETED)),
        overdue=Count("pk", filter=Q(status__in=WorkOrder.OPEN, due_date__lt=today)),
    )
    submitted = Estimate.objects.filter(firm=firm, status=Estimate.Status.SUBMITTED)
    return {**counts, "estimates": submitted.count()}


def write_sums(sums: Mapping[str, int], firm: Firm) -> str:
    """Write minor units by currency, ordered by code; none is a zero in the firm's own."""
    by_code = sorted((sums or {firm.currency: 0}).items())
    return ", ".join(
        money.write_grouped(money.from_minor(minor, code)) for code, minor in by_code
    )


# ---- revenue ------------------------------------------------------------------------------


def _revenue(span: Span) -> dict[str, int]:
    """Return what customers paid for jobs less what they got back, in minor units by currency.

    Counted are payments that arrived in these days, as far as they cover invoices for jobs,
    and refunds of such payments made in these days. A refund takes a payment off its
    invoices, and the books do not say off which: what a payment was for is then told by the
    invoices it still covers, by the one it was charged for, or, if neither is there, by its
    account having been invoiced for nothing but jobs.
    """
    sums: dict[str, int] = defaultdict(int)
    for paid in _payments_for_jobs(span):
        currency, amount, is_new, for_jobs, covers, became_credit, given_back = paid
        uncovered = amount - became_credit - covers  # what refunds took off invoices, ever
        if is_new:
            sums[currency] += for_jobs + uncovered
        sums[currency] -= min(given_back, uncovered)
    return {currency: minor for currency, minor in sums.items() if minor}


def _payments_for_jobs(span: Span) -> Iterable[tuple[Any, ...]]:
    """Return payments for jobs that arrived or were given back; one statement.

    Each with its currency and amount, whether it arrived, what it covers of jobs and of all,
    what of it became credit at first, and what was given back in these days.
    """
    allocations = PaymentAllocation.objects.filter(payment=OuterRef("pk"))
    credits = AccountCredit.objects.filter(payment=OuterRef("pk"), amount_minor__gt=0)
    refunds = Refund.objects.filter(
        payment=OuterRef("pk"), effective_on__gte=span.first, effective_on__lte=span.last
    )
    invoiced = Invoice.objects.filter(account=OuterRef("account")).exclude(
        status=Invoice.Status.DRAFT
    )
    only_for_jobs = Exists(invoiced.filter(kind=Work)) & ~Exists(invoiced.exclude(kind=Work))
    return (
        Payment.objects.filter(firm=span.firm, status__in=ARRIVED)
        .alias(arrived_at=Coalesce("settled_at", "created_at"))
        .filter(span.has("arrived_at") | Exists(refunds))
        .annotate(
            is_new=ExpressionWrapper(span.has("arrived_at"), BooleanField()),
            given_back=_sum(refunds),
            for_jobs=_sum(allocations.filter(invoice__kind=Work)),
            covers=_sum(allocations),
            became_credit=_sum(credits),
        )
        .filter(
            Q(for_jobs__gt=0)
            | Q(covers=0, attempt__invoice__kind=Work)
            | Q(only_for_jobs, covers=0, attempt=None)
        )
        .values_list(
            *("currency", "amount_minor", "is_new"),
            *("for_jobs", "covers", "became_credit", "given_back"),
        )
    )


def _sum(rows: "QuerySet[Any]") -> Coalesce:
    """Return the sum of the amounts of the rows that hang on a payment."""
    sums = rows.order_by().values("payment").annotate(sum=Sum("amount_minor")).values("sum")
    return Coalesce(Subquery(sums), 0)
