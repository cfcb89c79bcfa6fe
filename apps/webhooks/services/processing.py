"""Act on what the inbox holds: claim, ask the provider, write what follows (spec A5.4, D9)."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, TextChoices
from django.utils import timezone

from apps.core.days import Clock
from apps.core.problems import Problem, sentence
from apps.core.reports import Item, Report, Subject
from apps.core.watching import Stop, watched_alike
from apps.firms.services import find_firm
from apps.installations.leaving import refuse_if_strange
from apps.webhooks.handling import Fetch, Handler, handlers
from apps.webhooks.models import WebhookEvent, WebhookEventQuerySet

logger = logging.getLogger(__name__)

PAGE = 50  # events claimed at once
LEASE = timedelta(minutes=15)  # since its claim: whoever had the event is gone
RETRIES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(hours=24),
)
_CLAIM_LASTS = 300.0  # seconds; well before others take us for dead
_CLAIM_TIME = 0.3  # of a job's time-out, if that is less
_TIME = 0.6  # of a job's time-out; then the rest is left for the next run
_LONGEST_ERROR = 200  # characters

Status = WebhookEvent.Status
Events = Sequence[Item[WebhookEvent]]


class Reason(TextChoices):
    """Why an event was not brought to an end."""

    TAKEN = "taken", "another run has it"
    LEFT = "left", "left for the next run"
    WILL_BE_RETRIED = "will_be_retried"


class _Taken(Exception):  # noqa: N818 - a state of the event, said as such
    """Our claim has lapsed and another run has the event."""


def process_webhook_events(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Act on the events that payment providers have sent.

    Takes every event whose time has come, of all firms, also of suspended and closed ones:
    money that is under way does not stop. An event is claimed before its provider is asked
    how things stand now, and what follows is written in one transaction with its new status;
    so it takes effect once, however many workers there are. What a crash left half-way is
    taken up after 15 minutes. An error is tried again after 1, 5 and 30 minutes, 3, 12 and
    24 hours; then the event has failed and waits for a person.
    """
    clock = Clock.read()
    refuse_if_strange()  # before an event is claimed
    due = WebhookEvent.objects.due(now=clock.now)
    if firm_id is not None:
        due = due.filter(firm=find_firm(firm_id))
    report = Report(dry_run=dry_run, summary=_summary)
    report.expect(due.count())
    desk = _Desk(report, clock)
    ends = time.monotonic() + settings.JOB_TIMEOUT * _TIME
    for page in _pages(due):
        report.attempt_each(
            page, desk.claim, subject=Subject.of, size=len(page), then=desk.carry_out
        )
        if time.monotonic() >= ends:
            break
    return report


def _summary(report: Report) -> list[str]:
    counts = report.tallies
    figures = [
        ("processed", counts[Status.PROCESSED]),
        ("ignored", counts[Status.IGNORED]),
        ("failed", report.failed),
    ]
    for name, reason in (
        ("will be retried", Reason.WILL_BE_RETRIED),
        ("left for the next run", Reason.LEFT),
    ):
        if counts[reason]:
            figures.append((name, counts[reason]))
    done = ", ".join(f"{name}: {count}" for name, count in figures)
    would = f"Would process {report.done} webhook events."
    return [report.worded(f"Webhook events {done}", would=would)]


def _pages(due: WebhookEventQuerySet) -> Iterator[list[WebhookEvent]]:
    """Yield the events by time; also where nothing moves them on, as in a dry run."""
    rows = due.select_related("firm").order_by("next_attempt_at", "pk")
    after = Q()
    while page := list(rows.filter(after)[:PAGE]):
        last = page[-1]
        later = Q(next_attempt_at__gt=last.next_attempt_at) | Q(pk__gt=last.pk)
        after = Q(next_attempt_at__gte=last.next_attempt_at) & later
        yield page


class _Desk:
    """One run's way with events."""

    def __init__(self, report: Report, clock: Clock) -> None:
        self.report, self.clock = report, clock
        self.handlers = handlers()

    # ---- step one: claim, in one transaction --------------------------------------------

    def claim(self, items: Events) -> None:
        """Take the events that are still due; nobody else can for the time of a lease."""
        now = timezone.now()
        due = WebhookEvent.objects.due(now=self.clock.now)
        locked = due.filter(pk__in=[item.thing.pk for item in items])
        tries = dict(locked.select_for_update(skip_locked=True).values_list("pk", "attempts"))
        for item in items:
            if item.thing.pk not in tries:
                item.skip(Reason.TAKEN)
        ours = [item for item in items if not item.undone]
        spent = [item for item in ours if tries[item.thing.pk] > len(RETRIES)]
        self._close_spent(spent)
        due.filter(pk__in=[item.thing.pk for item in ours if not item.undone]).update(
            status=Status.PROCESSING,
            claimed_at=now,
            next_attempt_at=now + LEASE,
            attempts=F("attempts") + 1,
        )
        for item in ours:
            if not item.undone:
                event = item.thing
                event.status, event.claimed_at = Status.PROCESSING, now
                event.attempts = tries[event.pk] + 1
                item.does("process")
                item.says(f"{item.thing}: processed", would=f"Would process {item.thing}")

    def _close_spent(self, items: Events) -> None:
        """Fail what has used up its tries: the last one ended with its worker."""
        cut_off = Problem("Every try was used up, and the last one was cut off.")
        WebhookEvent.objects.filter(pk__in=[item.thing.pk for item in items]).update(
            status=Status.FAILED, claimed_at=None, error=str(cut_off)
        )
        for item in items:
            item.fail(cut_off)

    # ---- step two: ask the providers, outside any transaction ---------------------------

    def carry_out(self, items: Events) -> None:
        """Bring every claimed event to an end; what is left when this stops is put back."""
        patience = min(_CLAIM_LASTS, settings.JOB_TIMEOUT * _CLAIM_TIME)
        with ThreadPoolExecutor(max_workers=settings.CHARGES_AT_ONCE) as threads:
            try:
                asked: dict[Future[Any], Item[WebhookEvent]] = {
                    threads.submit(watched_alike(fetch)): item
                    for item, fetch in self._prepare(items)
                }
                for answer in as_completed(asked, timeout=patience):
                    self._settle(asked[answer], answer)
                    self.report.pause()
            except TimeoutError:  # of ours: that of a call is its event's own affair
                pass
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
                self._put_back(items)

    def _prepare(self, items: Events) -> list[tuple[Item[WebhookEvent], Fetch]]:
        """Return how to ask about each event; close those that concern nobody."""
        by_provider: dict[str, list[Item[WebhookEvent]]] = defaultdict(list)
        for item in items:
            by_provider[item.thing.provider].append(item)
        fetches: list[tuple[Item[WebhookEvent], Fetch]] = []
        nobodys: list[Item[WebhookEvent]] = []
        for provider, some in by_provider.items():
            handler = self.handlers.get(provider)
            if handler is None:
                for item in some:
                    self._retry(item, Problem(f"Nobody acts on events of {provider} yet."))
                continue
            found = self._ask_handler(handler, some)
            fetches += [(i, found[i.thing.pk]) for i in some if i.thing.pk in found]
            nobodys += [i for i in some if i.thing.pk not in found and _is_open(i)]
        self._ignore(nobodys)
        return fetches

    def _ask_handler(self, handler: Handler, items: Events) -> dict[int, Fetch]:
        """Let the handler prepare; an event that it cannot read spoils it for no other."""
        try:
            with transaction.atomic():
                return dict(handler.prepare([item.thing for item in items]))
        except Exception as error:
            if len(items) == 1:
                self._retry(items[0], error)
                return {}
        found: dict[int, Fetch] = {}
        for item in items:
            found |= self._ask_handler(handler, [item])
        return found

    # ---- step three: write what follows, each event in a transaction of its own ---------

    def _settle(self, item: Item[WebhookEvent], answer: Future[Any]) -> None:
        event, handler = item.thing, self.handlers[item.thing.provider]
        now = timezone.now()
        try:
            fetched = answer.result()
            with transaction.atomic(durable=True):
                # Before anything else: this locks the row, and nobody acts on it beside us.
                _write([event], status=Status.PROCESSED, processed_at=now, error="")
                acted = handler.apply(event, fetched, clock=self.clock)
                if not acted:
                    WebhookEvent.objects.filter(pk=event.pk).update(status=Status.IGNORED)
        except Stop:
            raise
        except _Taken:
            item.skip(Reason.TAKEN)
        except Exception as error:
            self._retry(item, error)
        else:
            _close(item, Status.PROCESSED if acted else Status.IGNORED)

    def _ignore(self, items: Events) -> None:
        events = [item.thing for item in items]
        try:
            with transaction.atomic(durable=True):
                _write(events, status=Status.IGNORED, processed_at=timezone.now(), error="")
        except _Taken:  # claimed together, they lapse together
            for item in items:
                item.skip(Reason.TAKEN)
        else:
            for item in items:
                _close(item, Status.IGNORED)

    def _retry(self, item: Item[WebhookEvent], error: Exception) -> None:
        """Put an event off after an error; after its last try it is a person's."""
        event, tries = item.thing, item.thing.attempts
        logger.warning("%s: try %d of its processing failed", event, tries, exc_info=error)
        wait = RETRIES[tries - 1] if tries <= len(RETRIES) else None
        try:
            with transaction.atomic(durable=True):
                _write(
                    [event],
                    status=Status.FAILED if wait is None else Status.RECEIVED,
                    claimed_at=None,
                    next_attempt_at=timezone.now() + (wait or timedelta(0)),
                    error=sentence(error)[:_LONGEST_ERROR],
                )
        except _Taken:
            item.skip(Reason.TAKEN)
            return
        if wait is None:
            event.status = Status.FAILED
            item.fail(error)
            return
        event.status = Status.RECEIVED
        minutes = wait // timedelta(minutes=1)
        says = f"{event}: {sentence(error)}; will be tried again in {minutes} min"
        item.decline(Reason.WILL_BE_RETRIED, says)
        item.tallies = [str(Reason.WILL_BE_RETRIED)]

    def _put_back(self, items: Events) -> None:
        """Give back what has come to no end: the run is asked to stop, or its time is up."""
        left = [item for item in items if _is_open(item)]
        if not left:
            return
        WebhookEvent.objects.filter(
            pk__in=[item.thing.pk for item in left],
            status=Status.PROCESSING,
            claimed_at=left[0].thing.claimed_at,
        ).update(
            status=Status.RECEIVED,
            claimed_at=None,
            next_attempt_at=timezone.now(),
            attempts=F("attempts") - 1,
        )
        for item in left:
            item.skip(Reason.LEFT)
            item.tallies = [str(Reason.LEFT)]


def _is_open(item: Item[WebhookEvent]) -> bool:
    """Whether a claimed event has not come to any end yet."""
    return not item.undone and item.thing.status == Status.PROCESSING


def _write(events: Sequence[WebhookEvent], **facts: Any) -> None:
    """Write to events of one claim that are still ours; raises ``_Taken`` if any is not."""
    if not events:
        return
    ours = WebhookEvent.objects.filter(
        pk__in=[event.pk for event in events],
        status=Status.PROCESSING,
        claimed_at=events[0].claimed_at,
    )
    if ours.update(**facts) != len(events):
        raise _Taken


def _close(item: Item[WebhookEvent], status: WebhookEvent.Status) -> None:
    """Say that an event has come to its end."""
    item.thing.status = status
    if status == Status.IGNORED:
        item.does("ignore")
        item.says(f"{item.thing}: ignored, it concerns nobody here", bullet="-")
    item.tallies = [str(status)]
