"""Conversations: which one a letter belongs to, and what people decide about them.

A letter belongs to the ticket of what it answers (``In-Reply-To``, ``References``), else to
the one that a signed token in its subject or address names, else to a new one; never to one
because of its subject alone (spec D31).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from apps.audit.services import event, record, record_all
from apps.core import bulk
from apps.core.problems import Problem
from apps.firms.models import Membership, User
from apps.mailbox.models import Ticket, TicketEntry, TicketReference
from apps.mailbox.parsing import Parsed
from apps.mailbox.services.letters import key_of_id
from apps.mailbox.tokens import named_tickets

Status = Ticket.Status

_LONGEST_SUBJECT = 200


@dataclass(slots=True)
class Arrival:
    """A letter that is being filed; ``entry_id`` is what it becomes."""

    key: str
    fingerprint: str
    parsed: Parsed
    received_at: datetime
    is_auto: bool
    writer_id: int | None = None
    entry_id: int | None = None

    def ids(self) -> Iterator[str]:
        """Yield the message ids by which it hangs together with others, the best first.

        Its own may be known already, because an answer came before it. That of another letter
        that had it first says nothing: some programs give all their letters the same.
        """
        yield from self.parsed.in_reply_to
        yield from reversed(self.parsed.references)
        if self.key == key_of_id(self.parsed.message_id):
            yield self.parsed.message_id


@dataclass(slots=True)
class _Conversation:
    ticket_id: int | None = None
    arrivals: list[Arrival] = field(default_factory=list)


# ---- by a run -------------------------------------------------------------------------------


def file_arrivals(*, firm_id: int, arrivals: Sequence[Arrival], now: datetime) -> None:
    """Give each letter its entry in a ticket, and make the tickets that are new.

    An answer may arrive before what it answers. A closed ticket is opened again by a letter
    that no machine wrote. The number of statements does not grow with letters. Must run
    inside the transaction that stores them.
    """
    fresh = _without_known(firm_id, arrivals)
    conversations, new_ids = _sort(firm_id, fresh)
    _open_tickets(firm_id, [one for one in conversations if one.ticket_id is None], now)
    _go_on([one for one in conversations if one.ticket_id is not None], now)
    bulk.insert(
        TicketReference,
        ("firm", "ticket", "message_id"),
        ((firm_id, one.ticket_id, told) for told, one in sorted(new_ids.items(), key=_by_id)),
    )
    rows = [
        (firm_id, conversation.ticket_id, one.key, one.fingerprint, one.received_at)
        for conversation in conversations
        for one in conversation.arrivals
    ]
    columns = ("firm", "ticket", "message_key", "fingerprint", "received_at")
    entries = bulk.insert(TicketEntry, columns, rows)
    by_key = dict(zip((row[2] for row in rows), entries, strict=True))
    for arrival in fresh:
        arrival.entry_id = by_key[arrival.key]


def _by_id(told: tuple[str, _Conversation]) -> str:
    return told[0]  # in the same order everywhere, or two runs could wait for each other


def _without_known(firm_id: int, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Give letters that came to another mailbox before the entry that they have already."""
    keys = [arrival.key for arrival in arrivals]
    known = TicketEntry.objects.filter(firm=firm_id, message_key__in=keys)
    entries = dict(known.values_list("message_key", "pk"))
    for arrival in arrivals:
        arrival.entry_id = entries.get(arrival.key)
    return [arrival for arrival in arrivals if arrival.entry_id is None]


def _sort(
    firm_id: int, arrivals: Sequence[Arrival]
) -> tuple[list[_Conversation], dict[str, _Conversation]]:
    """Return the conversations of letters, and the ids that are new to them."""
    by_id, by_ticket = _known_conversations(firm_id, arrivals)
    known_ids = set(by_id)
    conversations: dict[int, _Conversation] = {}
    for arrival in arrivals:
        ids = list(arrival.ids())
        found = next((by_id[told] for told in ids if told in by_id), None)
        if found is None:
            named = _named(firm_id, arrival.parsed)
            found = next((by_ticket[key] for key in named if key in by_ticket), None)
        conversation = found or _Conversation()
        conversation.arrivals.append(arrival)
        conversations[id(conversation)] = conversation
        for told in ids:
            by_id.setdefault(told, conversation)
    new_ids = {told: one for told, one in by_id.items() if told not in known_ids}
    return list(conversations.values()), new_ids


def _known_conversations(
    firm_id: int, arrivals: Sequence[Arrival]
) -> tuple[dict[str, _Conversation], dict[int, _Conversation]]:
    """Return the conversations that letters may belong to: by message id, and by ticket."""
    ids = {told for arrival in arrivals for told in arrival.ids()}
    known = TicketReference.objects.filter(firm=firm_id, message_id__in=ids)
    tickets = dict(known.values_list("message_id", "ticket_id"))
    named = {key for arrival in arrivals for key in _named(firm_id, arrival.parsed)}
    if named:
        rows = Ticket.objects.filter(firm=firm_id, pk__in=named)
        named = set(rows.values_list("pk", flat=True))
    by_ticket = {key: _Conversation(key) for key in {*tickets.values(), *named}}
    return {told: by_ticket[key] for told, key in tickets.items()}, by_ticket


def _named(firm_id: int, parsed: Parsed) -> list[int]:
    return named_tickets(firm_id, parsed.subject, parsed.addressees)


def _open_tickets(firm_id: int, conversations: Sequence[_Conversation], now: datetime) -> None:
    firsts = [conversation.arrivals[0] for conversation in conversations]
    rows = [
        (
            firm_id,
            first.parsed.subject[:_LONGEST_SUBJECT],
            first.writer_id,
            first.parsed.sender.name,
            first.parsed.sender.email,
            min(one.received_at for one in conversation.arrivals),
            max(one.received_at for one in conversation.arrivals),
            now,
        )
        for conversation, first in zip(conversations, firsts, strict=True)
    ]
    keys = bulk.insert(Ticket, _TICKET_COLUMNS, rows)
    for conversation, key in zip(conversations, keys, strict=True):
        conversation.ticket_id = key


_TICKET_COLUMNS = (
    "firm", "subject", "requester", "requester_name", "requester_email", "opened_at",
    "last_message_at", "created_at",
)  # fmt: skip


def _go_on(conversations: Sequence[_Conversation], now: datetime) -> None:
    """Let tickets know of the letters that came in, and open those that were closed."""
    arrivals = {one.ticket_id: one.arrivals for one in conversations if one.ticket_id}
    locked = Ticket.objects.select_for_update().filter(pk__in=arrivals).order_by("pk")
    tickets, reopened = list(locked), []
    for ticket in tickets:
        came = arrivals[ticket.pk]
        latest = max(one.received_at for one in came)
        ticket.last_message_at = max(ticket.last_message_at, latest)
        ticket.updated_at = now
        if not ticket.is_open and any(not one.is_auto for one in came):
            ticket.status, ticket.closed_at = Status.OPEN, None
            reopened.append(ticket)
    bulk.update(tickets, ["last_message_at", "status", "closed_at", "updated_at"])
    record_all(event("ticket_reopened", one, reason="A letter came in") for one in reopened)


# ---- by a person ----------------------------------------------------------------------------


def close_ticket(*, ticket: Ticket, actor: User | None, now: datetime) -> None:
    """Close a ticket: nothing is left to do. Raises ``Problem`` if it is closed."""
    _move(ticket, Status.OPEN, Status.CLOSED, actor, closed_at=now)


def reopen_ticket(*, ticket: Ticket, actor: User | None, now: datetime) -> None:
    """Open a closed ticket again; raises ``Problem`` if it is open."""
    _move(ticket, Status.CLOSED, Status.OPEN, actor, closed_at=None)


def assign_ticket(*, ticket: Ticket, to: User | None, actor: User | None) -> None:
    """Let somebody look after a ticket, or nobody; raises ``Problem`` for a stranger."""
    works_here = Membership.objects.filter(firm=ticket.firm_id, user=to, is_active=True)
    if to is not None and not works_here.exists():
        raise Problem(f"{to} does not work here.")
    with transaction.atomic():
        before = Ticket.objects.select_for_update().get(pk=ticket.pk).assigned_to_id
        Ticket.objects.filter(pk=ticket.pk).update(assigned_to=to)
        changes = {"assigned_to": [before, to.pk if to else None]}
        record("ticket_assigned", ticket, actor=actor, changes=changes)
    ticket.assigned_to = to


def _move(
    ticket: Ticket,
    before: Ticket.Status,
    after: Ticket.Status,
    actor: User | None,
    *,
    closed_at: datetime | None,
) -> None:
    with transaction.atomic():
        same = Ticket.objects.filter(pk=ticket.pk, status=before)
        if not same.update(status=after, closed_at=closed_at):
            raise Problem(f"“{ticket}” is {after.label.lower()} already.")
        record(f"ticket_{'closed' if closed_at else 'reopened'}", ticket, actor=actor)
    ticket.status, ticket.closed_at = after, closed_at
