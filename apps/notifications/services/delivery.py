"""Deliver what is due: claim, send, write down (spec A10.8, A5.4)."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from apps.core.problems import Problem
from apps.core.reports import Item, Report, block
from apps.firms.models import Firm
from apps.firms.services import find_firm
from apps.installations.leaving import refuse_if_strange
from apps.notifications.channels import FACTS, SENDERS
from apps.notifications.models import Channel, Delivery, DeliveryQuerySet
from apps.notifications.sending import Sender
from apps.notifications.services import letters
from apps.notifications.services.dispatch import Dispatch
from apps.notifications.services.letters import Parcel
from apps.notifications.services.results import close, follow
from apps.notifications.services.verdicts import Reason, Verdict, verdicts
from apps.notifications.types import registry

PAGE = 100  # messages claimed at once
AT_ONCE = 1000  # in-app messages, which nobody has to send
STUCK = timedelta(minutes=15)  # since its claim: whoever was sending it is gone
_TIME = 0.6  # of a job's time-out; then the rest is left for the next run

Things = Sequence[Item[Parcel]]


def deliver_notifications(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Deliver the messages that are due.

    Takes every queued delivery whose time has come, also of suspended firms: what was said
    to their customers was said. A worker claims messages before it sends them; what a crash
    left half-way is resolved after 15 minutes: e-mail goes out once more under the same
    Message-ID, a text message is marked as failed, as is one whose answer was lost. Refused
    for the moment: again after 1, 5 and 30 minutes and 3 hours, then failed. When a channel
    is down its messages stay queued; a firm whose own account is down stops no other.
    """
    rows = Delivery.objects.all()
    if firm_id is not None:
        rows = rows.filter(firm=find_firm(firm_id))
    refuse_if_strange()  # before a message is claimed
    report = Report(dry_run=dry_run, heading="Delivering notifications...", summary=_summary)
    ends = time.monotonic() + settings.JOB_TIMEOUT * _TIME
    for channel in Channel:
        _Round(report, rows.filter(channel=channel), channel, ends).go()
    return report


def _summary(report: Report) -> list[str]:
    counts = report.tallies
    skipped = report.skipped - sum(counts[str(r)] for r in _NOT_SKIPPED)
    figures: list[tuple[str, object]] = [("Sent", counts["sent"]), ("Skipped", skipped)]
    figures += [
        (name, counts[str(reason)])
        for name, reason in (
            ("Suppressed", Reason.SUPPRESSED),
            ("Refused", Reason.REFUSED),
            ("No such address", Reason.BOUNCED),
            ("Unknown", Reason.UNKNOWN),
            ("Held until morning", Reason.QUIET_HOURS),
            ("Left for the next run", Reason.LEFT),
        )
        if counts[str(reason)]
    ]
    figures.append(("Will be retried", counts[str(Reason.WILL_BE_RETRIED)]))
    return block(*figures, ("Errors", report.failed))


_NOT_SKIPPED = (Reason.SUPPRESSED, Reason.QUIET_HOURS, Reason.LEFT)


class _Round:
    """One channel's part of a run."""

    def __init__(
        self, report: Report, rows: DeliveryQuerySet, channel: Channel, ends: float
    ) -> None:
        self.report, self.rows, self.channel, self.ends = report, rows, channel, ends
        self.types, self.firms = registry(), dict[int, Firm]()
        self.sender: Sender | None = SENDERS[channel]() if channel in SENDERS else None
        self.dispatch = Dispatch(report, channel, self.sender, ends)

    def go(self) -> None:
        """Resolve what a crash left behind, then deliver what is due."""
        now = timezone.now()
        try:
            self._carry_out(self.rows.stuck(since=now - STUCK), "claimed_at")
            if self.sender or self.channel == Channel.IN_APP:
                self._carry_out(self.rows.due(now=now), "next_attempt_at")
        finally:
            if self.sender:
                self.sender.close()

    def _carry_out(self, ready: DeliveryQuerySet, order: str) -> None:
        self.report.expect(ready.count())
        for page in self._pages(ready, order):
            self.report.attempt_each(
                [Parcel(delivery) for delivery in page],
                lambda items: self._prepare(items, ready),
                subject=lambda parcel: parcel.subject,
                size=len(page),
                then=self.dispatch.send if self.sender else None,
            )
            if self.dispatch.over:
                return

    def _pages(self, ready: DeliveryQuerySet, order: str) -> Iterator[list[Delivery]]:
        """Yield pages by time, each with what shares a message with it.

        What was pulled ahead in this way is not shown again: nothing has changed if the page
        was rolled back.
        """
        rows = ready.with_recipients().order_by(order, "pk")
        # The first message goes alone: when the channel is down, no other is touched.
        sizes = chain([1], repeat(PAGE)) if self.sender else repeat(AT_ONCE)
        after, ahead = Q(), set[int]()
        while page := list(self._open(rows).filter(after)[: next(sizes)]):
            last = page[-1]
            at = getattr(last, order)
            after = Q(**{f"{order}__gte": at}) & (Q(**{f"{order}__gt": at}) | Q(pk__gt=last.pk))
            page = [one for one in page if one.pk not in ahead]
            companions = list(self._companions(page, ready))
            ahead.update(one.pk for one in companions)
            letters.know_firms([*page, *companions], self.firms)
            if page:
                yield [*page, *companions]

    def _open(self, rows: DeliveryQuerySet) -> DeliveryQuerySet:
        """Leave out firms for which the channel has turned out to be down."""
        down_for = self.dispatch.down_for
        return rows.exclude(firm__in=list(down_for)) if down_for else rows

    def _companions(
        self, page: Sequence[Delivery], ready: DeliveryQuerySet
    ) -> "DeliveryQuerySet | list[Delivery]":
        """Return other ready deliveries that belong into messages of this page."""
        fresh = [
            one.notification
            for one in page
            if not one.attempts
            and (type := self.types.get(one.notification.type))
            and type.digestable
        ]
        tried = {one.carried_by_id or one.pk for one in page if one.attempts}
        together = Q()
        if fresh:
            together |= Q(
                attempts=0,
                notification__firm__in={one.firm_id for one in fresh},
                notification__type__in={one.type for one in fresh},
                notification__recipient_key__in={one.recipient_key for one in fresh},
            )
        if tried:
            together |= Q(attempts__gt=0) & (Q(pk__in=tried) | Q(carried_by__in=tried))
        if not together or self.sender is None:
            return []
        known = [one.pk for one in page]
        return ready.with_recipients().filter(together).exclude(pk__in=known)

    # ---- step one: decide and claim, in one transaction ---------------------------------

    def _prepare(self, items: Things, ready: DeliveryQuerySet) -> None:
        now = timezone.now()
        free = self._leave_out(self._give_up_unknown(self._lock(items, ready), now), now)
        if self.channel == Channel.IN_APP:
            pks = [item.thing.delivery.pk for item in free]
            close(pks, Delivery.Status.DELIVERED, "", now)
            self._announce(free, "deliver", "delivered")
            open_ = set[int]()
        else:
            free = self._compose(free, now)
            self._claim(free, ready, now)
            open_ = {item.thing.delivery.pk for item in free}
        follow(
            (
                item.thing.delivery.notification_id
                for item in items
                if item.thing.delivery.pk not in open_ and item.reason != Reason.TAKEN
            ),
            now,
        )

    def _lock(self, items: Things, ready: DeliveryQuerySet) -> list[Item[Parcel]]:
        """Lock the rows (PostgreSQL) and leave alone what another run has by now."""
        pks = [item.thing.delivery.pk for item in items]
        locked = ready.filter(pk__in=pks).select_for_update(skip_locked=True)
        ours = set(locked.values_list("pk", flat=True))
        for item in items:
            item.thing.crew, item.thing.message = [], None
            if item.thing.delivery.pk not in ours:
                item.skip(Reason.TAKEN)
        return [item for item in items if not item.undone]

    def _give_up_unknown(self, items: Things, now: datetime) -> list[Item[Parcel]]:
        """Close what a crash left half-way and must not be sent again (spec A10.8)."""
        lost = [
            item
            for item in items
            if item.thing.delivery.status == Delivery.Status.SENDING
            and (item.thing.delivery.resent_at or not FACTS[self.channel].resends)
        ]
        self._fail(lost, Problem("unknown whether it was sent"), "unknown", now)
        return [item for item in items if not item.undone]

    def _leave_out(self, items: Things, now: datetime) -> list[Item[Parcel]]:
        """Close or hold what must not go out now."""
        nameless = [i for i in items if i.thing.delivery.notification.type not in self.types]
        self._fail(nameless, Problem("unknown type of message"), "unknown type", now)
        known = [item for item in items if not item.undone]
        found = verdicts(
            [item.thing.delivery for item in known],
            self.channel,
            self.types,
            self.firms,
            now,
        )
        by_verdict: dict[Verdict, list[int]] = defaultdict(list)
        for item in known:
            if verdict := found.get(item.thing.delivery.pk):
                by_verdict[verdict].append(item.thing.delivery.pk)
                self._word(item, verdict)
        for verdict, pks in by_verdict.items():
            if verdict.until:
                self._hold(pks, verdict.until, now)
            elif not verdict.error:
                close(pks, verdict.status, verdict.detail, now)
        return [item for item in known if not item.undone]

    def _hold(self, pks: Sequence[int], until: datetime, now: datetime) -> None:
        """Keep messages until morning; a stuck one has its second try then."""
        rows = Delivery.objects.filter(pk__in=pks)
        rows.filter(status=Delivery.Status.SENDING).update(resent_at=now)
        rows.update(
            status=Delivery.Status.QUEUED,
            claimed_at=None,
            next_attempt_at=until,
            updated_at=now,
        )

    def _compose(self, items: Things, now: datetime) -> list[Item[Parcel]]:
        """Write every message; what cannot be written fails alone."""
        for crew in letters.group(items, self.types):
            assert self.sender is not None
            if error := letters.write(crew, self.sender, self.types, self.firms):
                self._fail(crew, error, str(error), now)
        return [item for item in items if not item.undone]

    def _claim(self, items: Things, ready: DeliveryQuerySet, now: datetime) -> None:
        """Take the messages from ``queued`` to ``sending``; nobody else can then."""
        if not items:
            return
        pks = [item.thing.delivery.pk for item in items]
        if any(item.thing.delivery.status == Delivery.Status.SENDING for item in items):
            Delivery.objects.filter(pk__in=pks).update(resent_at=now)
        claimed = ready.filter(pk__in=pks).update(
            status=Delivery.Status.SENDING,
            claimed_at=now,
            attempts=F("attempts") + 1,
            reason="",
            updated_at=now,
        )
        if claimed != len(pks):
            raise Problem("another run has some of these messages")
        leads = {
            member.thing.delivery.pk: item.thing.delivery.pk
            for item in items
            for member in item.thing.crew[1:]
        }
        changed = [
            Delivery(pk=item.thing.delivery.pk, carried_by_id=leads.get(item.thing.delivery.pk))
            for item in items
            if item.thing.delivery.carried_by_id != leads.get(item.thing.delivery.pk)
        ]
        Delivery.objects.bulk_update(changed, ["carried_by"])
        self._announce(items, "send", "sent", carried=leads.keys())

    # ---- what people read ---------------------------------------------------------------

    def _announce(
        self, items: Things, verb: str, done: str, carried: Collection[int] = ()
    ) -> None:
        for item in items:
            label, channel = item.subject.label, self.channel.value
            if item.thing.delivery.pk in carried:
                channel += ", in one message"
            item.does(f"{verb} ({self.channel.value})", tally="sent")
            item.says(f"{label}: {done} ({channel})", would=f"Would {verb} {label} ({channel})")

    def _word(self, item: Item[Parcel], verdict: Verdict) -> None:
        if verdict.error:
            item.fail(Problem(verdict.error))
            return
        says = f"{item.subject.label}: skipped ({verdict.detail})" if verdict.detail else ""
        item.skip(verdict.reason, says)
        item.tallies = [str(verdict.reason)]

    def _fail(self, items: Things, error: Exception, reason: str, now: datetime) -> None:
        close([i.thing.delivery.pk for i in items], Delivery.Status.FAILED, reason, now)
        for item in items:
            item.fail(error)
