"""Jobs on which nothing happens: warned of, and in the end closed (spec D30)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, TextChoices

from apps.audit.services import event, record_all
from apps.billing.models import Invoice
from apps.core import batches, bulk
from apps.core.days import DAY, Clock, check_gate, positive
from apps.core.problems import Problem
from apps.core.reports import Item, Report, Skip, Subject
from apps.fieldwork.messages.sections import counted
from apps.fieldwork.models import (
    Estimate,
    PayoutRequestLine,
    WorkOrder,
    WorkOrderEvent,
    WorkOrderNote,
    WorkOrderQuerySet,
)
from apps.fieldwork.services.scope import Scope
from apps.fieldwork.services.stale_news import tell_closed, tell_closing_soon
from apps.firms.models import Firm

Status = WorkOrder.Status

WARNED = 7  # days before it is closed
MOST = 200  # jobs of one firm in one run, unless it is forced
CLOSED = "closed"  # a tally

_DATES = ("due_date", "scheduled_on")
_GIVEN_UP = (Invoice.Status.VOID, Invoice.Status.WRITTEN_OFF)


class StaleReason(TextChoices):
    """Why a job that was found is left alone."""

    ACTIVITY = "activity", "activity meanwhile"
    WARNED = "warned", "warned already"


@dataclass(frozen=True, slots=True)
class Idle:
    """The jobs in some firms that may be closed once nothing has happened for long enough.

    Not when a day that was set for them is not over, when somebody has said no, or while an
    estimate waits for its answer or the contractor for a payout. Nor with an invoice: unpaid
    it would be in the air, and who has paid in advance is owed the work.
    """

    somewhere: Q
    now: datetime
    days: int

    def since(self, days: int) -> WorkOrderQuerySet:
        """Return those on which nothing has happened for so many times 24 hours."""
        of_order = {"work_order": OuterRef("pk")}
        answers = Estimate.objects.filter(status=Estimate.Status.SUBMITTED, **of_order)
        payouts = PayoutRequestLine.objects.filter(is_live=True, **of_order)
        idle = WorkOrder.objects.idle_since(self.now - days * DAY)
        return idle.filter(
            self.somewhere,
            ~Exists(answers),
            ~Exists(payouts),
            Q(invoice=None) | Q(invoice__status__in=_GIVEN_UP),
            do_not_auto_close=False,
        )

    def stale(self) -> WorkOrderQuerySet:
        """Return those that are to be closed."""
        return self.since(self.days)

    def nearly_stale(self) -> WorkOrderQuerySet:
        """Return those of which to warn: closed within a week, and not warned of since."""
        return self.since(max(1, self.days - WARNED)).filter(
            Q(stale_warned_at=None) | Q(stale_warned_at__lt=F("last_activity_at")),
            last_activity_at__gt=self.now - self.days * DAY,
        )

    def days_of(self, order: WorkOrder) -> int:
        """Return for how many full days nothing has happened on a job."""
        return (self.now - order.last_activity_at).days


def auto_close_stale_jobs(
    *,
    days: int = 90,
    firm_id: int | None = None,
    force: bool = False,
    at: str = "",
    weekdays: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Cancel open jobs on which nothing has happened for a long time.

    Nobody has done anything about them for ``days`` full days. Left alone: completed jobs,
    those that are due or scheduled today or later, that are marked so, with a submitted
    estimate, a live payout request or an invoice that is not void. The contractor and whoever
    made the job are told, and warned once within the 7 days before. Activity in the meantime
    wins. More than 200 jobs of one firm at once are a mistake or a first run: nothing of it
    is closed without ``force``. Running again finds nothing.
    """
    positive("--days", days)
    check_gate(at=at, weekdays=weekdays)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    heading = f"Checking for stale jobs (inactive for {days}+ days)..."
    report = Report(dry_run=dry_run, heading=heading, summary=_summary)
    scope.tell(report)
    somewhere = Q(pk=None)
    for firms, today in scope.by_day(report, clock, at=at, weekdays=weekdays):
        somewhere |= over_in(firms, today)
    idle = Idle(somewhere, clock.now, days)
    _close(report, idle, force=force)
    _warn(report, idle)
    return report


def over_in(firms: "QuerySet[Firm]", today: date) -> Q:
    """Return the condition for jobs in some firms whose days are over on a local day."""
    over = [Q(**{name: None}) | Q(**{f"{name}__lt": today}) for name in _DATES]
    return Q(*over, firm__in=firms)


# ---- closed -------------------------------------------------------------------------------


def _close(report: Report, idle: Idle, *, force: bool) -> None:
    """Close what is stale, in the order of their numbers."""
    stale = idle.stale()
    by_firm = stale.order_by("firm").values_list("firm").annotate(number=Count("pk"))
    found = dict(by_firm)
    report.says(f"Found {sum(found.values())} stale jobs")
    if words := report.worded("", would="DRY RUN - No jobs will be closed"):
        report.says(words)
    refused = {firm: number for firm, number in found.items() if number > MOST and not force}
    for firm in Firm.objects.filter(pk__in=refused).order_by("pk"):
        words = f"Refusing to close {refused[firm.pk]} jobs at once; use --force."
        report.fail(firm, Problem(words))
    stale = stale.exclude(firm__in=refused)
    report.expect(sum(found.values()) - sum(refused.values()))
    report.attempt_each(
        _in_order(stale),
        partial(
            _close_all,
            idle=idle,
            with_firm=len(found) > 1,
            bullet=report.worded("", would="•"),
        ),
        subject=Subject.of,
    )


def _in_order(stale: WorkOrderQuerySet) -> Iterator[WorkOrder]:
    """Yield jobs by number; their keys are read at once, so that what was found stays found."""
    keys = list(stale.order_by("number", "firm").values_list("pk", flat=True))
    for some in batches.batched(keys):
        yield from _with_people(WorkOrder.objects.filter(pk__in=some)).order_by(
            "number", "firm"
        )


def _with_people(orders: WorkOrderQuerySet) -> WorkOrderQuerySet:
    return orders.select_related("firm", "contractor__contact", "created_by")


def _close_all(
    items: Sequence[Item[WorkOrder]], *, idle: Idle, with_firm: bool, bullet: str
) -> None:
    """Cancel the jobs of a batch on which still nothing has happened, and tell of it."""
    names = {
        item.thing.pk: item.thing.number + f" [{item.thing.firm.slug}]" * with_firm
        for item in items
    }
    keys = ("pk", "status", "last_activity_at")
    still = set(idle.stale().filter(pk__in=names).values_list(*keys))
    orders: list[WorkOrder] = []
    for item in items:
        order = item.thing
        if tuple(getattr(order, key) for key in keys) not in still:
            item.skip(StaleReason.ACTIVITY, f"Skipped {names[order.pk]}: activity meanwhile")
            continue
        orders.append(order)
        idled = _idled(order, idle)
        item.does(f"close after {idled}", tally=CLOSED)
        item.says(
            f"Closed: {names[order.pk]} ({idled} inactive)",
            would=f"{names[order.pk]}: {order.title} ({idled} inactive)",
            bullet=bullet,
        )
    cancelled = WorkOrder.objects.idle_since(idle.now - idle.days * DAY).filter(
        Q(invoice=None) | Q(invoice__in=[one.invoice_id for one in orders if one.invoice_id]),
        pk__in=[order.pk for order in orders],
        do_not_auto_close=False,
    )
    if orders and cancelled.update(
        status=Status.CANCELLED,
        cancelled_at=idle.now,
        cancel_reason=WorkOrder.AUTO_STALE,
        updated_at=idle.now,
    ) != len(orders):
        # Somebody was faster; a batch is now done again one by one.
        words = f"Skipped {names[orders[0].pk]}: activity meanwhile"
        raise Skip(StaleReason.ACTIVITY, words)
    _write_down(orders, idle)
    tell_closed([(order, idle.days_of(order)) for order in orders])


def _write_down(orders: Sequence[WorkOrder], idle: Idle) -> None:
    """Add the event, the note and the audit event of jobs that were closed."""
    bulk.insert(
        WorkOrderEvent,
        ("firm", "work_order", "kind", "from_status", "to_status", "occurred_at", "detail"),
        (
            (
                *(order.firm_id, order.pk, WorkOrderEvent.Kind.CANCELLED),
                *(order.status, Status.CANCELLED, idle.now, WorkOrder.AUTO_STALE),
            )
            for order in orders
        ),
    )
    bulk.insert(
        WorkOrderNote,
        ("firm", "work_order", "text", "is_automatic", "written_at"),
        (
            (
                *(order.firm_id, order.pk),
                f"Automatically closed after {_idled(order, idle)} of inactivity",
                *(True, idle.now),
            )
            for order in orders
        ),
    )
    record_all(
        event(
            "work_order_cancelled",
            order,
            changes={"status": [order.status, Status.CANCELLED]},
            reason=WorkOrder.AUTO_STALE,
        )
        for order in orders
    )


def _idled(order: WorkOrder, idle: Idle) -> str:
    return counted(idle.days_of(order), "day")


# ---- warned -------------------------------------------------------------------------------


def _warn(report: Report, idle: Idle) -> None:
    """Warn of what will be closed soon; says nothing, since nothing happens yet."""
    soon = idle.nearly_stale()
    report.expect(soon.count())
    pages = batches.pages(_with_people(soon))
    report.attempt_each(
        (order for page in pages for order in page),
        partial(_warn_all, idle=idle),
        subject=partial(Subject.of, part="warning"),
    )


def _warn_all(items: Sequence[Item[WorkOrder]], *, idle: Idle) -> None:
    orders = [item.thing for item in items]
    quiet = WorkOrder.objects.open().filter(
        Q(stale_warned_at=None) | Q(stale_warned_at__lt=F("last_activity_at")),
        pk__in=[order.pk for order in orders],
        last_activity_at__lte=idle.now - max(1, idle.days - WARNED) * DAY,
    )
    if quiet.update(stale_warned_at=idle.now, updated_at=idle.now) != len(orders):
        raise Skip(StaleReason.WARNED)
    tell_closing_soon([(order, idle.days_of(order)) for order in orders], days=idle.days)
    for item in items:
        item.does("warn")


def _summary(report: Report) -> list[str]:
    words = report.worded(f"Auto-closed {report.tallies[CLOSED]} stale jobs", would="")
    return [words] if words else []
