"""Papers that run out: what becomes of them, and when a contractor is warned (spec D26)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property, partial

from django.db.models import Q, QuerySet, TextChoices

from apps.audit.services import event, record_all
from apps.core import batches
from apps.core.days import Clock, check_gate, positive, zone
from apps.core.reports import Item, Report, Skip
from apps.fieldwork.messages.compliance_expiry import COMPLIANCE_WARNING
from apps.fieldwork.models import ComplianceDocument
from apps.fieldwork.services.compliance_news import Change, series_of, tell
from apps.fieldwork.services.scope import Scope
from apps.firms.models import Firm
from apps.leasing.services.milestones import LAST_WINDOW, Asked, Milestone, Steps
from apps.notifications.models import Notification
from apps.notifications.services import recipient_key

Status = ComplianceDocument.Status

WARN_BEFORE = (30, 14, 7, 1)  # days before the last valid day
WARN_AFTER = (1, 8, 15, 22, 29)  # days after it: expired, and weekly four times
NOW_SOON, NOW_EXPIRED = "became expiring soon", "became expired"  # tallies of this run
ALL_SOON, ALL_EXPIRED = "expiring soon", "expired"  # and of all papers


class ComplianceReason(TextChoices):
    """Why nothing is done about a paper."""

    MEANWHILE = "meanwhile", "renewed or corrected meanwhile"


@dataclass(frozen=True)
class Rules:
    """What papers are on a local day; "soon" is within so many days (C-21)."""

    today: date
    days: int

    @cached_property
    def by_status(self) -> dict[Status, Q]:
        """Which last valid days make a paper what."""
        soon_until = self.today + timedelta(days=self.days)
        return {
            Status.EXPIRED: Q(expires_on__lt=self.today),
            Status.EXPIRING_SOON: Q(expires_on__gte=self.today, expires_on__lte=soon_until),
            Status.VALID: Q(expires_on__gt=soon_until),
        }

    @cached_property
    def changed(self) -> Q:
        """The papers that are not what they are said to be."""
        changed = Q()
        for status, is_so in self.by_status.items():
            changed |= is_so & ~Q(status=status)
        return changed

    @cached_property
    def steps(self) -> Steps:
        """When contractors are warned; the first time when "soon" begins."""
        later = [days for days in WARN_BEFORE if days < self.days]
        return Steps((self.days, *later), WARN_AFTER, Asked())

    @cached_property
    def warnable(self) -> Q:
        """The papers for which any window of a warning may be open."""
        since = self.today - timedelta(days=WARN_AFTER[-1] + LAST_WINDOW)
        return Q(expires_on__gte=since, expires_on__lte=self.today + timedelta(days=self.days))

    def overdue(self, paper: ComplianceDocument) -> int:
        """How many days ago the last valid day was; negative before it."""
        assert paper.expires_on is not None
        return (self.today - paper.expires_on).days

    def status_of(self, paper: ComplianceDocument) -> Status:
        """Return what a paper is on this day."""
        if self.overdue(paper) > 0:
            return Status.EXPIRED
        return Status.EXPIRING_SOON if -self.overdue(paper) <= self.days else Status.VALID


def check_compliance_expiry(
    *,
    days: int = 30,
    firm_id: int | None = None,
    at: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Check which papers of contractors have expired or will soon.

    Approved papers that nothing has replaced, of active contractors. The last valid day is
    ``expires_on``: the day after it a paper is expired, ``days`` before it expires soon, and
    with a corrected date it is valid again; only changes are written. The office gets a
    digest of the changes. Contractors are warned 30, 14, 7 and 1 days before, when it has
    expired, and weekly four times; each warning once, a missed day caught up within its
    window, none while a renewal waits for review. Running again finds nothing.
    """
    positive("--days", days)
    check_gate(at=at)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    heading = "Starting compliance expiry check..."
    report = Report(dry_run=dry_run, heading=heading, summary=_summary)
    scope.tell(report)
    for firms, today in scope.by_day(report, clock, at=at):
        rules = Rules(today, days)
        papers = papers_of(firms)
        _take_stock(report, papers, rules)
        report.attempt_each(
            _changes(report, papers, rules),
            partial(_bring_up_to_date, rules=rules, now=clock.now),
            subject=lambda change: change.subject,
        )
    return report


# ---- which --------------------------------------------------------------------------------


def papers_of(firms: "QuerySet[Firm]") -> "QuerySet[ComplianceDocument]":
    """Return the papers that the check is about."""
    return ComplianceDocument.objects.current().filter(
        firm__in=firms, contractor__is_active=True, expires_on__isnull=False
    )


def _changes(
    report: Report, papers: "QuerySet[ComplianceDocument]", rules: Rules
) -> Iterator[Change]:
    """Yield the papers whose status is to change or whose contractor is to be warned."""
    found = papers.filter(rules.changed | rules.warnable)
    report.expect(found.count())
    for page in batches.pages(found.select_related("firm", "contractor__contact")):
        told, in_review = _told(page), _in_review(page)
        for paper in page:
            warning = rules.steps.reached(rules.overdue(paper))
            if warning and (
                paper in in_review
                or paper.contractor.contact.erased_at
                or _has_heard(told[paper.pk], warning, paper, rules.today)
            ):
                warning = None
            after = rules.status_of(paper)
            if warning or after != paper.status:
                yield Change(paper, after, rules.today, warning)


def _in_review(page: Sequence[ComplianceDocument]) -> set[ComplianceDocument]:
    """Return the papers of which a renewal waits for review. One query."""
    renewals = ComplianceDocument.objects.filter(
        contractor__in={paper.contractor_id for paper in page}, status=Status.PENDING_REVIEW
    ).values_list("contractor_id", "doc_type")
    waiting = {(contractor, kind.lower()) for contractor, kind in renewals}
    return {one for one in page if (one.contractor_id, one.doc_type.lower()) in waiting}


def _told(page: Sequence[ComplianceDocument]) -> dict[int, dict[Milestone, datetime]]:
    """Return when the contractors were warned of which step, by paper."""
    known = {(series_of(one), recipient_key(one.contractor.contact)): one.pk for one in page}
    told: dict[int, dict[Milestone, datetime]] = defaultdict(dict)
    rows = Notification.objects.filter(
        type=COMPLIANCE_WARNING.name,
        subject_type=ComplianceDocument._meta.label_lower,
        subject_id__in=[str(paper.pk) for paper in page],
    ).values_list("recipient_key", "dedupe_key", "created_at")
    for recipient, key, at in rows:
        series, _, milestone = key.rpartition(":")
        if paper := known.get((series, recipient)):
            told[paper][Milestone.of(milestone)] = at
    return told


def _has_heard(
    told: Mapping[Milestone, datetime],
    warning: Milestone,
    paper: ComplianceDocument,
    today: date,
) -> bool:
    """Tell whether a contractor knows of this step or a later one, or was warned today."""
    here = zone(paper.firm.timezone)
    return any(
        known >= warning or at.astimezone(here).date() == today for known, at in told.items()
    )


# ---- done ---------------------------------------------------------------------------------


def _bring_up_to_date(items: Sequence[Item[Change]], *, rules: Rules, now: datetime) -> None:
    """Write what the papers of a batch have become, and tell of it."""
    changes = [item.thing for item in items]
    news = [change for change in changes if change.is_new]
    for status, is_so in rules.by_status.items():
        becoming = [change.paper.pk for change in news if change.after == status]
        # The same conditions again: whoever renewed or corrected a paper since has won.
        rows = ComplianceDocument.objects.current().filter(is_so, pk__in=becoming)
        if becoming and rows.exclude(status=status).update(
            status=status, updated_at=now
        ) != len(becoming):
            raise Skip(ComplianceReason.MEANWHILE)  # a batch is then done again one by one
    record_all(
        event(
            f"compliance_document_{change.after.lower()}",
            change.paper,
            changes={
                "status": [change.paper.status, change.after],
                "expires_on": str(change.paper.expires_on),
            },
        )
        for change in news
    )
    warned = {one.draft.about for one in tell(changes, now=now)}
    for item in items:
        _announce(item, is_warned=item.thing.paper in warned)


def _announce(item: Item[Change], *, is_warned: bool) -> None:
    change = item.thing
    actions = [f"mark {change.after.label.lower()}"] if change.is_new else []
    if is_warned and change.warning:
        actions.append(f"warn {change.warning.name}")
    if not actions:
        item.skip(ComplianceReason.MEANWHILE)
        return
    action = ", ".join(actions)
    item.does(action, tally=_TALLIES.get(change.after, "") if change.is_new else "")
    item.says("", would=f"Would {action}: {change.paper} ({change.paper.expires_on})")


_TALLIES = {Status.EXPIRED: NOW_EXPIRED, Status.EXPIRING_SOON: NOW_SOON}


def _take_stock(report: Report, papers: "QuerySet[ComplianceDocument]", rules: Rules) -> None:
    """Count what there is of each, as it is when the run is over."""
    for name, status in ((ALL_SOON, Status.EXPIRING_SOON), (ALL_EXPIRED, Status.EXPIRED)):
        report.tallies[name] += papers.filter(rules.by_status[status]).count()


def _summary(report: Report) -> list[str]:
    soon, expired = report.tallies[NOW_SOON], report.tallies[NOW_EXPIRED]
    all_soon, all_expired = report.tallies[ALL_SOON], report.tallies[ALL_EXPIRED]
    changed = f"{soon} expiring, {expired} expired"
    return [
        report.worded(
            f"Compliance check complete: {changed}",
            would=f"Compliance check would find: {changed}",
        ),
        f"Currently: {all_soon} expiring soon, {all_expired} expired.",
    ]
