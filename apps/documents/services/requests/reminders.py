"""Reminders of files that somebody was asked for and has not sent (spec D10)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, TextChoices

from apps.audit.services import event, record_all
from apps.contacts.models import Contact
from apps.core import batches, days
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Outcome, Report, Skip, Subject, block
from apps.documents.messages import FILE_REQUEST_UNANSWERED, FILE_REQUEST_UNREACHABLE
from apps.documents.models import FileRequest, FileRequestItem
from apps.documents.services.requests.asking import (
    COUNTED,
    count_reminder,
    drafts_to_staff,
    reminder,
)
from apps.documents.services.requests.links import make_links
from apps.documents.services.requests.receiving import settle
from apps.documents.services.requests.steps import Cadence
from apps.firms.models import Firm, FirmSettings
from apps.firms.services import by_firm, named
from apps.notifications.services import Planned, notify

EXPIRES_AFTER = timedelta(days=30)  # past the due date, where the firm wants it
AT_ONCE = 200  # people in one transaction, each with all their requests

SENT, COVERED, ESCALATED, EXPIRED = "sent", "covered", "escalated", "expired"  # tallies


class FileRequestReason(TextChoices):
    """Why a day has come and nobody is reminded."""

    MEANWHILE = "meanwhile", "everything came, or another run was first"
    UNREACHABLE = "unreachable", "no e-mail address"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


@dataclass(frozen=True, slots=True)
class Round:
    """One firm's turn in a run."""

    firm: Firm
    cadence: Cadence
    today: date
    clock: Clock


@dataclass(slots=True)
class Due:
    """What has come due of one contact."""

    to_remind: list[FileRequest] = field(default_factory=list)
    to_give_up: list[FileRequest] = field(default_factory=list)


def send_file_request_reminders(
    *, firm_id: int | None = None, at: str = "", dry_run: bool = False
) -> Report:
    """Remind people of the files that they were asked for and have not sent.

    Of served firms: requests whose next reminder has come, by the firm's calendar, and of
    which something is outstanding. Usually 3 and 1 days before the due date, on the day and
    every 3 days after it; without one, 3, 7 and 14 days after the asking; as the firm or the
    request says. A missed day is caught up once. A person gets one message on a day (its key)
    with everything that is due, and no more than five of a request; then whoever asked is
    told, once. So they are of people who cannot be reached. Past due for 30 days, a request
    expires where the firm wants it.
    """
    days.check_gate(at=at)
    clock = Clock.read()
    report = Report(dry_run=dry_run, summary=_summary)
    busy = FileRequest.objects.open()
    for firm, today in by_firm(report, clock, busy, firm_id=firm_id, at=at):
        before = Counter(report.tallies)
        try:
            turn = Round(firm, Cadence.of(firm), today, clock)
        except Problem as problem:
            report.fail(firm, problem)
            continue
        _expire(turn, report)
        report.attempt_each(
            batches.by_key(_people(turn)),
            partial(_remind, turn=turn),
            subject=Subject.of,
            size=AT_ONCE,
        )
        report.says(f"{named(firm)}: {_in_words(report, report.tallies - before)}", level=0)
    return report


def _people(turn: Round) -> "QuerySet[Contact]":
    """Return who has something due, and was not reminded of anything today."""
    of_them = FileRequest.objects.filter(firm=turn.firm, contact=OuterRef("pk"))
    return (
        Contact.objects.for_firm(turn.firm)
        .present()
        .filter(Exists(of_them.due(on=turn.today)))
        .exclude(Exists(of_them.filter(last_reminder_on=turn.today)))
    )


def _remind(items: Sequence[Item[Contact]], *, turn: Round) -> None:
    """Put the reminders of a batch into the outbox, and count them on the requests."""
    due = _behind_locks([item.thing for item in items], turn)
    drafts = [
        reminder(item.thing, due[item.thing.pk].to_remind, today=turn.today)
        for item in items
        if due[item.thing.pk].to_remind
    ]
    planned = {one.draft.recipient.pk: one for one in notify(drafts)}
    if len(planned) < len(drafts):  # a batch is then done again one by one
        raise Skip(FileRequestReason.MEANWHILE)
    make_links([one for one in planned.values() if one.channels], now=turn.clock.now)
    unreached, given_up = list[FileRequest](), list[FileRequest]()
    changed = list[FileRequest]()
    for item in items:
        theirs = due[item.thing.pk]
        _announce(item, theirs, planned.get(item.thing.pk))
        for request in theirs.to_remind:
            if item.outcome == Outcome.DONE:
                count_reminder(request, turn.cadence, today=turn.today)
            else:
                request.last_reminder_on = turn.today
                request.next_reminder_on = turn.cadence.plan(request, after=turn.today)
                unreached.append(request)
        for request in theirs.to_give_up:
            request.next_reminder_on = None
            given_up.append(request)
        changed += [*theirs.to_remind, *theirs.to_give_up]
    notify(
        drafts_to_staff(FILE_REQUEST_UNREACHABLE, unreached, key="file-request-unreachable:{}")
        + drafts_to_staff(FILE_REQUEST_UNANSWERED, given_up, key="file-request-unanswered:{}")
    )
    for request in changed:
        request.updated_at = turn.clock.now
    FileRequest.objects.bulk_update(changed, COUNTED)


def _behind_locks(people: Sequence[Contact], turn: Round) -> defaultdict[int, Due]:
    """Lock the due requests of some people; another run waits here, and then finds none.

    One of which everything came is settled on the way: whoever received it has died before.
    """
    items = FileRequestItem.objects.outstanding()
    rows = (
        FileRequest.objects.due(on=turn.today)
        .filter(contact__in=[contact.pk for contact in people])
        .prefetch_related(Prefetch("items", items))
        .select_for_update(of=("self",), no_key=True)
    )
    due: defaultdict[int, Due] = defaultdict(Due)
    for request in rows.order_by("pk"):
        if not request.items.all():
            settle(request, now=turn.clock.now)
        elif turn.cadence.is_over(request):
            due[request.contact_id].to_give_up.append(request)
        else:
            due[request.contact_id].to_remind.append(request)
    return due


def _announce(item: Item[Contact], due: Due, planned: Planned | None) -> None:
    reminded, given_up = len(due.to_remind), len(due.to_give_up)
    if planned and not planned.channels:
        words = f"{item.thing}: cannot be reached, no e-mail address"
        item.decline(FileRequestReason.UNREACHABLE, words)
    elif reminded or given_up:
        item.does(f"remind of {_some(reminded, 'request')}, give up {given_up}")
        item.tallies = [SENT] * bool(reminded) + [COVERED] * reminded + [ESCALATED] * given_up
        item.says("", would=f"Would remind {item.thing} of {_some(reminded, 'request')}")
    else:
        item.skip(FileRequestReason.MEANWHILE)


# ---- letting go -----------------------------------------------------------------------------


def _expire(turn: Round, report: Report) -> None:
    """Give up what is long past due, where the firm wants it."""
    settings: FirmSettings | None = getattr(turn.firm, "settings", None)
    if settings is None or not settings.file_requests_expire:
        return
    late = FileRequest.objects.open().filter(due_date__lt=turn.today - EXPIRES_AFTER)

    def expire(items: Sequence[Item[FileRequest]]) -> None:
        pks = [item.thing.pk for item in items]
        expired = late.filter(pk__in=pks).update(
            status=FileRequest.Status.EXPIRED,
            next_reminder_on=None,
            updated_at=turn.clock.now,
        )
        if expired != len(items):  # a batch is then done again one by one
            raise Skip(FileRequestReason.MEANWHILE)
        record_all(event("file_request_expired", item.thing) for item in items)
        for item in items:
            item.does("expire", tally=EXPIRED)

    due = batches.by_key(late.filter(firm=turn.firm))
    report.attempt_each(due, expire, subject=Subject.of)


# ---- said -----------------------------------------------------------------------------------


def _in_words(report: Report, made: Counter[str]) -> str:
    sent, covered = _some(made[SENT], "reminder"), _some(made[COVERED], "request")
    words = report.worded(
        f"{sent} sent ({covered}), {made[ESCALATED]} escalated",
        would=f"{sent} would be sent ({covered}), {made[ESCALATED]} would be escalated",
    )
    expired = report.worded("expired", would="would expire")
    return f"{words}, {made[EXPIRED]} {expired}" if made[EXPIRED] else words


def _summary(report: Report) -> list[str]:
    return block(
        ("Reminders sent", report.tallies[SENT]),
        ("Requests covered", report.tallies[COVERED]),
        ("Skipped", report.skipped + report.counts[Outcome.DECLINED]),
        ("Errors", report.failed),
    )


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
