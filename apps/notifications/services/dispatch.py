"""Send claimed messages outside any transaction, and write down what came of each."""

import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.problems import Problem
from apps.core.reports import Item, Report, Subject
from apps.notifications import channels
from apps.notifications.models import Channel, Delivery, Suppression
from apps.notifications.sending import ChannelDown, Refused, Sender
from apps.notifications.services.letters import Parcel
from apps.notifications.services.results import follow
from apps.notifications.services.verdicts import Reason
from apps.notifications.services.wishes import suppress

RETRIES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=3),
)
CLAIM_LASTS = 300.0  # seconds; well before others take us for dead
BROKEN = 3  # connections lost one after the other: the channel is down
TOGETHER = 50  # messages whose results share a transaction: what a crash can send twice
AT_LEAST_EVERY = 1.0  # seconds between writing results


class Dispatch:
    """Sends what one run claims on one channel."""

    def __init__(
        self, report: Report, channel: Channel, sender: Sender | None, ends: float
    ) -> None:
        self.report, self.channel, self.sender, self.ends = report, channel, sender, ends
        self.down: ChannelDown | None = None
        self.down_for: dict[int, ChannelDown] = {}  # by firm, where each has its own
        self._unsaid: list[ChannelDown] = []
        self._broken = 0

    @property
    def over(self) -> bool:
        """Whether this run should claim no more."""
        return self.down is not None or time.monotonic() >= self.ends

    def send(self, items: Sequence[Item[Parcel]]) -> None:
        """Send every claimed message; whatever ends this, no result is lost.

        What was not handed over goes back into the queue: because the channel is down, the
        run is asked to stop or its time is up.
        """
        results = _Results(self.channel)
        waiting = deque(item.thing for item in items if item.thing.crew)
        until = min(time.monotonic() + CLAIM_LASTS, self.ends)
        try:
            while waiting and not self.down and time.monotonic() < until:
                self.report.pause()
                parcel = waiting.popleft()
                if closed := self.down_for.get(parcel.delivery.firm_id):
                    results.put_back(parcel, down=closed)
                else:
                    self._send_one(parcel, results)
        finally:
            for parcel in waiting:
                results.put_back(parcel, down=self.down)
            results.write()
        for down in [*self._unsaid, *filter(None, [self.down])]:
            self.report.fail(self._subject(down), down)
        self._unsaid = []

    def _send_one(self, parcel: Parcel, results: "_Results") -> None:
        assert self.sender is not None
        try:
            results.sent(parcel, self.sender.send(parcel.message))
            self._broken = 0
        except Refused as refused:
            results.refused(parcel, refused)
            self._broken = self._broken + 1 if refused.broken else 0
            if refused.broken and not channels.FACTS[self.channel].resends:
                # Each further message could be lost for good as well.
                firm_id = parcel.delivery.firm_id
                self._close(ChannelDown("the connection is lost", firm_id=firm_id))
            elif self._broken >= BROKEN:
                self._close(ChannelDown("every connection is lost"))
        except ChannelDown as down:
            results.put_back(parcel, down=down)
            self._close(down)
        parcel.message = None
        results.write_if_due()

    def _close(self, down: ChannelDown) -> None:
        """Send nothing more in this run, or nothing more of one firm."""
        if down.firm_id is None:
            self.down = down
        else:
            self.down_for[down.firm_id] = down
            self._unsaid.append(down)

    def _subject(self, down: ChannelDown) -> Subject:
        name, key = str(self.channel.label), str(self.channel)
        if down.firm_id is None:
            return Subject("notifications.channel", key, name)
        key, label = f"{key}:{down.firm_id}", f"{name} of firm {down.firm_id}"
        return Subject("notifications.channel", key, label, firm_id=down.firm_id)


@dataclass(frozen=True)
class _Change:
    """What one group of deliveries becomes."""

    status: Delivery.Status
    reason: str = ""
    provider_id: str = ""
    wait: timedelta | None = None  # until the next try
    counts: bool = True  # this try does


class _Results:
    """Collects what came of messages and writes it in few statements."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._empty()

    def sent(self, parcel: Parcel, provider_id: str) -> None:
        """The provider has taken it."""
        self._add(parcel, _Change(Delivery.Status.SENT, provider_id=provider_id))

    def refused(self, parcel: Parcel, refused: Refused) -> None:
        """The provider has not taken it, or left us in doubt: try again, or give up."""
        tries = parcel.delivery.attempts + 1
        if not refused.final and tries <= len(RETRIES):
            wait = RETRIES[tries - 1]
            self._retry(parcel, _Change(Delivery.Status.QUEUED, str(refused), wait=wait))
            return
        self._add(parcel, _Change(Delivery.Status.FAILED, str(refused)))
        if refused.bounced:
            self._gone.append((parcel.delivery, Suppression.Reason.HARD_BOUNCE))
        if refused.opted_out:
            self._gone.append((parcel.delivery, Suppression.Reason.OPT_OUT))
        for item in parcel.crew:
            if refused.final:
                reason = _reason(refused)
                item.decline(reason, f"{item.subject.label}: {reason.label} ({refused})")
                item.tallies = [str(reason)]
            else:
                item.fail(Problem(f"given up after {tries} tries ({refused})"))

    def put_back(self, parcel: Parcel, *, down: ChannelDown | None) -> None:
        """It was never handed over: this try does not count."""
        wait = RETRIES[0] if down else timedelta(0)
        change = _Change(Delivery.Status.QUEUED, wait=wait, counts=False)
        if down:
            self._retry(parcel, change)
            return
        self._add(parcel, change)
        for item in parcel.crew:
            item.skip(Reason.LEFT)
            item.tallies = [str(Reason.LEFT)]

    def write_if_due(self) -> None:
        """Write when enough has come together, or enough time has passed."""
        late = time.monotonic() - self._since >= AT_LEAST_EVERY
        if late or self._messages >= TOGETHER:
            self.write()

    def write(self) -> None:
        """Write everything, in one transaction of its own."""
        changes, gone, now = self._changes, self._gone, timezone.now()
        self._empty()
        if not changes:
            return
        with transaction.atomic(durable=True):
            for change, deliveries in changes.items():
                self._write_change(change, deliveries, now)
            for delivery, why in gone:
                suppress(
                    firm_id=delivery.firm_id,
                    channel=self.channel,
                    address=channels.address(delivery.notification.recipient, self.channel),
                    reason=why,
                )
            done = [change for change in changes if change.status != Delivery.Status.QUEUED]
            follow({one.notification_id for change in done for one in changes[change]}, now)

    def _write_change(
        self, change: _Change, deliveries: Sequence[Delivery], now: datetime
    ) -> None:
        facts: dict[str, object] = {
            "status": change.status,
            "reason": change.reason[:120],
            "provider_id": change.provider_id,
            "claimed_at": None,
            "updated_at": now,
        }
        if change.status == Delivery.Status.SENT:
            facts["sent_at"] = now
        if change.wait is not None:
            facts["next_attempt_at"] = now + change.wait
        if not change.counts:
            facts["attempts"] = F("attempts") - 1
        Delivery.objects.filter(
            pk__in=[one.pk for one in deliveries], status=Delivery.Status.SENDING
        ).update(**facts)

    def _empty(self) -> None:
        self._changes: dict[_Change, list[Delivery]] = defaultdict(list)
        self._gone: list[tuple[Delivery, Suppression.Reason]] = []
        self._messages, self._since = 0, time.monotonic()

    def _add(self, parcel: Parcel, change: _Change) -> None:
        self._messages += 1
        self._changes[change] += [item.thing.delivery for item in parcel.crew]

    def _retry(self, parcel: Parcel, change: _Change) -> None:
        self._add(parcel, change)
        assert change.wait is not None
        why = f" ({change.reason})" if change.reason else ""
        minutes = change.wait // timedelta(minutes=1)
        for item in parcel.crew:
            label = item.subject.label
            says = f"{label}: not sent{why}, will be retried in {minutes} min"
            item.decline(Reason.WILL_BE_RETRIED, says)
            item.tallies = [str(Reason.WILL_BE_RETRIED)]


def _reason(refused: Refused) -> Reason:
    if refused.opted_out:
        return Reason.OPTED_OUT
    if refused.bounced:
        return Reason.BOUNCED
    return Reason.UNKNOWN if refused.broken else Reason.REFUSED
