"""Payouts that wait: a digest to the admins, and word to contractors (spec D29)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, QuerySet, Sum, TextChoices

from apps.core import batches, money
from apps.core.days import Clock, check_gate, zone
from apps.core.reports import Item, Report, Skip, Subject
from apps.fieldwork.messages.payout_reminders import (
    PAYOUT_REMINDER,
    PAYOUT_WAITING,
    SECTIONS,
    write_reminder,
)
from apps.fieldwork.messages.sections import counted
from apps.fieldwork.models import ContractorProfile, PayoutRequest, WorkOrder
from apps.fieldwork.services.compliance import Gap, gaps_of
from apps.fieldwork.services.daily_figures import write_sums
from apps.fieldwork.services.scope import Scope
from apps.firms.models import Firm
from apps.firms.rights import in_charge
from apps.notifications.models import Notification
from apps.notifications.services import Draft, notify

WEEK = timedelta(days=7)
TOP = 5  # of each section of the digest
SHOWN = 10  # requests in one message to a contractor; the rest are counted
CONTRACTORS = "contractors notified"  # a tally


class PayoutReason(TextChoices):
    """Why nobody is reminded."""

    NOBODY = "nobody", "nobody to tell"
    TOLD = "told", "reminded already"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


@dataclass(frozen=True, slots=True)
class Waiting:
    """A contractor whose requests have been pending for more than a week."""

    contractor: ContractorProfile
    today: date
    requests: Sequence[PayoutRequest]  # the oldest first
    is_held: bool

    @property
    def subject(self) -> Subject:
        return Subject.of(self.contractor, part=str(self.today))


def send_payout_reminders(
    *,
    firm_id: int | None = None,
    at: str = "",
    weekdays: str = "",
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Remind admins of pending payout requests and of jobs that are ready for payout.

    One digest for each admin and local day, by e-mail and in-app: how many of both, their
    sums by currency and the five oldest, with a mark where a mandatory paper has expired and
    the payout is on hold. Contractors whose requests have been pending for more than 7 days
    are told so, in one message and at most once a week. Nobody is told of nothing.
    """
    check_gate(at=at, weekdays=weekdays)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    scope = Scope.find(firm_id=firm_id)
    heading = "Starting payout reminders..."
    report = Report(dry_run=dry_run, heading=heading, summary=_summary)
    scope.tell(report)
    for firms, today in scope.by_day(report, clock, at=at, weekdays=weekdays):
        for firm in batches.by_key(_with_something_to_pay(firms)):
            _remind_admins(report, firm, today)
        report.attempt_each(
            _waiting(firms, today=today, now=clock.now),
            partial(_tell_contractors, now=clock.now),
            subject=lambda waiting: waiting.subject,
        )
    return report


# ---- the admins ---------------------------------------------------------------------------


def _with_something_to_pay(firms: "QuerySet[Firm]") -> "QuerySet[Firm]":
    pending = PayoutRequest.objects.pending().filter(firm=OuterRef("pk"))
    ready = WorkOrder.objects.ready_for_payout().filter(firm=OuterRef("pk"))
    return firms.filter(Exists(pending) | Exists(ready))


def _remind_admins(report: Report, firm: Firm, today: date) -> None:
    with report.attempt(firm, part=str(today)) as item:
        people = in_charge([firm.pk]).get(firm.pk, [])
        if not people:
            raise Skip(PayoutReason.NOBODY)
        requests = PayoutRequest.objects.for_firm(firm).pending()
        orders = WorkOrder.objects.for_firm(firm).ready_for_payout()
        facts = {
            "pending": _section(
                requests, firm, today, amount="amount_minor", by="requested_at"
            ),
            "ready": _section(
                orders, firm, today, amount="contractor_price_minor", by="verified_at"
            ),
        }
        planned = notify(
            [
                Draft(
                    type=PAYOUT_REMINDER,
                    firm_id=firm.pk,
                    recipient=person,
                    dedupe_key=f"payouts:{person.pk}:{today}",
                    about=firm,
                    context=facts,
                )
                for person in people
            ]
        )
        if not planned:
            raise Skip(PayoutReason.TOLD)
        counts = {name: facts[name]["count"] for name in SECTIONS}
        item.does(f"remind of {counts['pending']} pending, {counts['ready']} ready")
        item.says(
            "", would=f"Would remind the admins of {firm}:\n\n{write_reminder(facts).text}\n\n"
        )
    if not item.undone:
        report.tallies.update(counts)


def _section(
    owed: "QuerySet[Any]", firm: Firm, today: date, *, amount: str, by: str
) -> dict[str, Any]:
    """Return how much is owed for requests or orders, and the oldest. Five statements."""
    sums = owed.order_by().values("currency").annotate(number=Count("pk"), minor=Sum(amount))
    by_currency = list(sums.values_list("currency", "number", "minor"))
    who = ("contractor__contact__email", "contractor__contact__display_name")
    oldest = owed.order_by(by, "number").values_list(
        "pk", "number", "contractor", *who, amount, "currency"
    )[:TOP]
    gaps = gaps_of({row[2] for row in oldest}, on=today)
    rows = [
        (
            *(pk, number, email or name),
            money.write_grouped(money.from_minor(minor, code)),
            _hold(gaps.get(contractor, ())),
        )
        for pk, number, contractor, email, name, minor, code in oldest
    ]
    return {
        "count": sum(number for _, number, _ in by_currency),
        "total": write_sums({code: minor for code, _, minor in by_currency}, firm),
        "rows": rows,
    }


def _hold(gaps: Sequence[Gap]) -> str:
    """Say why a contractor cannot be paid now, if there is a reason."""
    if not gaps:
        return ""
    expired = any(gap.expired_on for gap in gaps)
    return f"on hold: compliance {'expired' if expired else 'missing'}"


# ---- the contractors ----------------------------------------------------------------------


def _waiting(firms: "QuerySet[Firm]", *, today: date, now: datetime) -> Iterator[Waiting]:
    """Yield the contractors with old requests who were not told within a week."""
    old = PayoutRequest.objects.pending().filter(requested_at__lt=now - WEEK)
    contractors = ContractorProfile.objects.filter(
        Exists(old.filter(contractor=OuterRef("pk"))),
        firm__in=firms,
        contact__erased_at=None,
    )
    for page in batches.pages(contractors.select_related("contact", "firm")):
        keys = [contractor.pk for contractor in page]
        told, gaps = _told(page), gaps_of(keys, on=today)
        requests: dict[int, list[PayoutRequest]] = defaultdict(list)
        for request in old.filter(contractor__in=keys).order_by("requested_at", "pk"):
            requests[request.contractor_id].append(request)
        for contractor in page:
            last = told.get(contractor.pk)
            if last is None or last <= today - WEEK:
                mine, is_held = requests[contractor.pk], contractor.pk in gaps
                yield Waiting(contractor, today, mine, is_held)


def _told(page: Sequence[ContractorProfile]) -> dict[int, date]:
    """Return the local day on which contractors were told last. One query."""
    rows = Notification.objects.filter(
        type=PAYOUT_WAITING.name,
        subject_type=ContractorProfile._meta.label_lower,
        subject_id__in=[str(contractor.pk) for contractor in page],
    )
    zones = {str(contractor.pk): zone(contractor.firm.timezone) for contractor in page}
    return {
        int(key): at.astimezone(zones[key]).date()
        for key, at in rows.values_list("subject_id").annotate(last=Max("created_at"))
    }


def _tell_contractors(items: Sequence[Item[Waiting]], *, now: datetime) -> None:
    drafts = [_draft(item.thing, now) for item in items]
    told = {one.draft.about for one in notify(drafts)}
    for item in items:
        if item.thing.contractor not in told:
            item.skip(PayoutReason.TOLD)
            continue
        count = len(item.thing.requests)
        pending = "1 request is" if count == 1 else f"{count} requests are"
        item.does(f"tell of {count} pending", tally=CONTRACTORS)
        words = f"Would tell {item.thing.contractor} that {pending} still pending"
        item.says("", would=words)


def _draft(waiting: Waiting, now: datetime) -> Draft:
    contractor, requests = waiting.contractor, waiting.requests
    here = zone(contractor.firm.timezone)
    weeks = (now - requests[0].requested_at) // WEEK
    return Draft(
        type=PAYOUT_WAITING,
        firm_id=contractor.firm_id,
        recipient=contractor.contact,
        dedupe_key=f"payout-waiting:{requests[0].pk}:week-{weeks}",
        about=contractor,
        context={
            "firm": contractor.firm.name,
            "count": len(requests),
            "rows": [
                (
                    one.pk,
                    one.number,
                    money.write_grouped(one.amount),
                    str(one.requested_at.astimezone(here).date()),
                )
                for one in requests[:SHOWN]
            ],
            "is_held": waiting.is_held,
        },
    )


def _summary(report: Report) -> list[str]:
    counts = report.tallies
    sent = report.worded("Payout reminders sent", would="Payout reminders that would be sent")
    return [
        f"{sent}: {counted(counts['pending'], 'pending request')}, "
        f"{counts['ready']} ready for payout; "
        f"{counted(counts[CONTRACTORS], 'contractor')} notified"
    ]
