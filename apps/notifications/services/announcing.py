"""Say what a person wrote, to one or to a group (spec D21)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from django.db.models import TextChoices

from apps.core.days import Clock
from apps.core.hashes import keyed_hashes
from apps.core.problems import BadOption
from apps.core.reports import Item, Report, Subject
from apps.core.watching import Identity
from apps.firms.models import Firm
from apps.firms.services import why_not_served
from apps.notifications import channels
from apps.notifications.messages import GENERAL_MESSAGE
from apps.notifications.models import Channel, Notification
from apps.notifications.services.addressees import Recipient, find_addressees, remember
from apps.notifications.services.outbox import Draft, Planned, notify, recipient_key
from apps.notifications.services.wishes import Wishes, suppressed

AGAIN_AFTER = timedelta(minutes=10)  # the same words to the same person are no mistake then
_LONGEST_SUBJECT = 200  # characters
_LONGEST_KEY = 100  # characters


class Reason(TextChoices):
    """Why somebody does not get what was written."""

    IDENTICAL = "identical", "identical message just sent"
    KEY_USED = "key_used", "sent before under this key"
    OPTED_OUT = "opted_out", "opted out"
    SUPPRESSED = "suppressed", "suppressed"
    NO_ADDRESS = "no_address", "no address"


def send_notification(
    *,
    to: str = "",
    to_group: str = "",
    subject: str = "",
    body: str = "",
    channel: str = "",
    firm_id: int | None = None,
    dedupe_key: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> Report:
    """Send a message that a person wrote to somebody or to a group.

    Exactly one of ``to`` (an e-mail address) and ``to_group``, which never reaches beyond its
    firm; what several firms could mean is refused. Puts one message for each recipient into
    the outbox; ``deliver_notifications`` sends it. Without ``channel`` by e-mail, in-app and,
    to those who agreed to it, SMS. Who opted out of operational messages, or whose address
    is suppressed, is left out. An address that nobody has becomes a contact of the firm. The
    same words to the same person within ten minutes are dropped unless ``force``;
    ``dedupe_key`` names what is said instead, and then it is said once for ever.
    """
    _check(to=to, group=to_group, subject=subject, body=body, channel=channel, key=dedupe_key)
    clock = Clock.read()
    addressees = find_addressees(to=to, group=to_group, firm_id=firm_id, channel=channel)
    desk = _Desk(
        firm=addressees.firm,
        words={"subject": subject.strip(), "text": body},
        channels=(Channel(channel),) if channel else tuple(Channel),
        key=dedupe_key,
        force=force,
        now=clock.now,
    )
    report = Report(dry_run=dry_run, summary=_summary)
    if why := why_not_served(addressees.firm):
        report.says(why)
        return report
    report.attempt_each(addressees.recipients(clock), desk.write, subject=_subject)
    return report


def _check(*, to: str, group: str, subject: str, body: str, channel: str, key: str) -> None:
    if to and group:
        raise BadOption("--to and --group cannot be combined.")
    if not (to or group):
        raise BadOption("One of --to or --group is required.")
    if not body.strip():
        raise BadOption("--body is required.")
    if not subject.strip() and channel != Channel.SMS:
        raise BadOption("--subject is required.")
    if subject and subject.splitlines() != [subject]:
        raise BadOption("--subject must not contain line breaks.")
    if len(subject) > _LONGEST_SUBJECT:
        raise BadOption(f"--subject must not be longer than {_LONGEST_SUBJECT} characters.")
    if len(key) > _LONGEST_KEY:
        raise BadOption(f"--dedupe-key must not be longer than {_LONGEST_KEY} characters.")


@dataclass(frozen=True, slots=True)
class _Desk:
    """One message on its way to many."""

    firm: Firm
    words: dict[str, str]
    channels: tuple[Channel, ...]
    key: str
    force: bool
    now: datetime

    def write(self, items: Sequence[Item[Recipient]]) -> None:
        """Put the message into the outbox for each recipient of a batch."""
        usable = self._usable_channels(items)
        recent = {} if self.key or self.force else self._last(items)
        written: dict[str, Item[Recipient]] = {}
        drafts = []
        for item in items:
            last = recent.get(recipient_key(item.thing))
            if last and self.now - last.created_at < AGAIN_AFTER:
                ago = _ago(self.now - last.created_at)
                _skip(item, Reason.IDENTICAL, f"identical message sent {ago}")
            elif found := usable.get(item.subject.identity):
                recipient = remember(item.thing)
                written[recipient_key(recipient)] = item
                drafts.append(self._draft(recipient, found, after=last))
        told = {recipient_key(one.draft.recipient): one for one in notify(drafts)}
        for key, item in written.items():
            self._announce(item, told.get(key))

    def _usable_channels(
        self, items: Sequence[Item[Recipient]]
    ) -> dict[Identity, tuple[Channel, ...]]:
        """Return the channels for each recipient, and skip those for whom there is none."""
        here = channels.available([self.firm.pk], self.channels)
        wishes = Wishes.of((self.firm.pk, recipient_key(item.thing)) for item in items)
        found: dict[Identity, tuple[Channel, ...]] = {}
        blocked = {one: self._blocked(items, one) for one in self.channels if one != _IN_APP}
        for item in items:
            recipient, key = item.thing, recipient_key(item.thing)
            wanted = [
                one
                for one in self.channels
                if (self.firm.pk, one) in here
                and wishes.allow(self.firm.pk, key, GENERAL_MESSAGE, one)
            ]
            reached = [one for one in wanted if channels.reachable(recipient, one)]
            free = tuple(
                one
                for one in reached
                if one == _IN_APP or channels.address(recipient, one) not in blocked[one]
            )
            if free:
                found[item.subject.identity] = free
            elif reached:
                _skip(item, Reason.SUPPRESSED)
            else:
                _skip(item, Reason.NO_ADDRESS if wanted else Reason.OPTED_OUT)
        return found

    def _blocked(self, items: Sequence[Item[Recipient]], channel: Channel) -> set[str]:
        """Return which addresses of the recipients are suppressed."""
        addresses = {channels.address(item.thing, channel) for item in items} - {""}
        pairs = suppressed(channel, {(self.firm.pk, address) for address in addresses})
        return {address for _, address in pairs}

    def _last(self, items: Sequence[Item[Recipient]]) -> dict[str, Notification]:
        """Return the last message of these words to each recipient, whenever it was."""
        rows = Notification.objects.filter(
            firm=self.firm,
            type=GENERAL_MESSAGE.name,
            recipient_key__in=[recipient_key(item.thing) for item in items],
            dedupe_key__startswith=f"{self._words_key}:",
        )
        return {row.recipient_key: row for row in rows.order_by("pk")}

    @property
    def _words_key(self) -> str:
        """What stands for the words in keys; nobody can tell them from it."""
        text = f"{self.words['subject']}\n{self.words['text']}"
        return f"message:{keyed_hashes(_HASH_PURPOSE, text)[0][:32]}"

    def _draft(
        self, recipient: Recipient, usable: tuple[Channel, ...], *, after: Notification | None
    ) -> Draft:
        """Name what is said by its words and the message before it.

        Two who press the button at once have seen the same last message, so they make the
        same key, and the database takes one.
        """
        key = f"{self._words_key}:{after.pk if after else 0}"
        if self.key:
            key = f"script:{self.key}"
        elif self.force:
            key = f"{self._words_key}:{token_hex(8)}"
        return Draft(
            type=GENERAL_MESSAGE,
            firm_id=self.firm.pk,
            recipient=recipient,
            dedupe_key=key,
            context=self.words,
            channels=usable,
        )

    def _announce(self, item: Item[Recipient], planned: Planned | None) -> None:
        if planned is None:
            _skip(item, Reason.KEY_USED if self.key else Reason.IDENTICAL)
            return
        item.does("queue")
        item.tallies = [_QUEUED, *planned.channels]


_IN_APP = Channel.IN_APP
_QUEUED = "queued"
_HASH_PURPOSE = "notifications.identical"


def _subject(recipient: Recipient) -> Subject:
    if recipient._state.adding:
        return Subject("contacts.contact", "new", str(recipient))
    return Subject.of(recipient)


def _skip(item: Item[Recipient], reason: Reason, why: str = "") -> None:
    says = f"Skipped {item.subject.label}: {why or reason.label}"
    item.skip(reason, says)
    item.tallies = [str(reason)]


def _ago(passed: timedelta) -> str:
    minutes = passed // timedelta(minutes=1)
    if not minutes:
        return "just now"
    return f"{minutes} minute{'' if minutes == 1 else 's'} ago"


def _summary(report: Report) -> list[str]:
    """Say how many messages wait now, by channel, and why others do not."""
    counts = report.tallies
    if not (report.done or report.skipped or report.failed):
        return ["0 recipients"]
    ways = ", ".join(f"{one.value}: {counts[one]}" for one in Channel if counts[one])
    verb = report.worded("✓ Queued", would="Would queue")
    number = counts[_QUEUED]
    line = f"{verb} {number} notification{'' if number == 1 else 's'}"
    line += f" ({ways})" if ways else ""
    reasons = [reason for reason in Reason if counts[reason]]
    if len(reasons) == 1:
        line += f"; {report.skipped} skipped ({reasons[0].label})"
    elif reasons:
        why = ", ".join(f"{reason.label}: {counts[reason]}" for reason in reasons)
        line += f"; {report.skipped} skipped ({why})"
    return [f"{line}."]
