"""Put letters into the database: each once, in its ticket, and the cursor after it.

A page of letters is one transaction of ``Report.attempt_each``. When one of them cannot be
stored as it was read, the page is done again one by one, and that one is kept as bytes that
nobody can read: it neither blocks the mailbox nor gets lost.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q, TextChoices

from apps.contacts.models import Tombstone
from apps.contacts.services import erased_at
from apps.core import bulk
from apps.core.problems import Problem, sentence
from apps.core.reports import Item
from apps.mailbox.models import EmailAttachment, EmailConnection, EmailMessage, TicketEntry
from apps.mailbox.parsing import NOTHING
from apps.mailbox.services.cursors import move_cursor
from apps.mailbox.services.files import announce_files
from apps.mailbox.services.letters import Letter, Place
from apps.mailbox.services.tickets import Arrival, file_arrivals
from apps.mailbox.services.writers import writers

logger = logging.getLogger(__name__)

NEW = "new messages"  # a tally


class Reason(TextChoices):
    """Why something is left alone."""

    ALREADY_STORED = "already_stored"
    ERASED = "erased", "its sender has been erased since"
    TAKEN = "taken", "another sync is in progress"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self != Reason.TAKEN


def store_page(items: Sequence[Item[Letter]], *, page: Sequence[int]) -> None:
    """Store letters, all or none; a single one in whatever form it can be stored.

    ``page`` are the UIDs that were fetched together: the cursor stops before the first of
    them that is neither stored nor among the items.
    """
    if len(items) > 1:
        _store(items, page)
        return
    for _ in range(2):  # another run may store the same: look again
        try:
            with transaction.atomic():
                return _store(items, page)
        except IntegrityError as error:
            problem: Exception = error
        except OperationalError:
            raise
        except Exception as error:
            problem = error
            break
    [item] = items
    logger.error("%s cannot be stored as it was read", item.subject.label, exc_info=problem)
    item.thing = replace(item.thing, parsed=None, problem=sentence(problem))
    _store(items, page)


def known_letters(connection: EmailConnection, keys: Iterable[str]) -> dict[str, int]:
    """Return which of these keys a mailbox has, with the letters' sizes.

    Without those whose files are still due: they have to be fetched again.
    """
    rows = EmailMessage.objects.filter(
        connection=connection, message_key__in=set(keys), files_due=False
    )
    return dict(rows.values_list("message_key", "size"))


def stored_uids(place: Place, uids: Sequence[int]) -> set[int]:
    """Return which of these UIDs of a folder are stored."""
    rows = EmailMessage.objects.filter(
        connection=place.connection,
        folder=place.folder,
        uidvalidity=place.uidvalidity,
        uid__in=uids,
    )
    return set(rows.values_list("uid", flat=True))


# ---- inside -------------------------------------------------------------------------------


def _store(items: Sequence[Item[Letter]], page: Sequence[int]) -> None:
    place = items[0].thing.place
    keys = _keys(place, [item.thing for item in items])
    fresh = _leave_out_erased(place, _leave_out_known(place, items, keys))
    letters = [item.thing for item in fresh]
    arrivals = _arrivals(place, letters, keys)
    file_arrivals(
        firm_id=place.connection.firm_id, arrivals=list(arrivals.values()), now=place.now
    )
    _insert(place, letters, keys, arrivals)
    _advance(place, page, {item.thing.uid for item in items})
    for item in fresh:
        if item.thing.parsed is None:
            item.fail(Problem(item.thing.problem))
        else:
            item.does("store", tally=NEW)


def _keys(place: Place, letters: Sequence[Letter]) -> dict[int, str]:
    """Return the key of each letter.

    One whose message id another letter has, of other content, gets a key of its own: some
    programs give all their letters the same id, and nobody may make a letter disappear by
    sending another with its id first.
    """
    plain = {letter.uid: letter.key for letter in letters}
    entries = TicketEntry.objects.filter(
        firm=place.connection.firm_id, message_key__in=set(plain.values())
    )
    prints = dict(entries.values_list("message_key", "fingerprint"))
    keys: dict[int, str] = {}
    for letter in letters:
        key = plain[letter.uid]
        first = prints.setdefault(key, letter.fingerprint)
        same = first == letter.fingerprint
        keys[letter.uid] = key if same else f"{key}~{letter.fingerprint[:24]}"
    return keys


def _leave_out_known(
    place: Place, items: Sequence[Item[Letter]], keys: Mapping[int, str]
) -> list[Item[Letter]]:
    """Skip what the mailbox has already, from this folder or from another."""
    here = Q(folder=place.folder, uidvalidity=place.uidvalidity, uid__in=list(keys))
    known = EmailMessage.objects.filter(connection=place.connection)
    rows = known.filter(here | Q(message_key__in=list(keys.values())))
    uids = stored_uids(place, list(keys))
    by_key = {row.message_key: row for row in rows.only("message_key", "files_due")}
    fresh: list[Item[Letter]] = []
    for item in items:
        key, uid = keys[item.thing.uid], item.thing.uid
        if key not in by_key and uid not in uids:
            by_key[key] = EmailMessage(files_due=False)
            fresh.append(item)
            continue
        if key in by_key and by_key[key].files_due and uid not in uids:
            # Where its files can be fetched from, now that all numbers are new.
            known.filter(message_key=key).update(
                folder=place.folder, uidvalidity=place.uidvalidity, uid=uid
            )
        item.skip(Reason.ALREADY_STORED)
    return fresh


def _leave_out_erased(place: Place, items: Sequence[Item[Letter]]) -> list[Item[Letter]]:
    """Skip what somebody wrote before they were erased: it must not come back.

    A server that numbers its letters anew shows them all again (spec D8).
    """
    senders = {item.thing.parsed.sender.email for item in items if item.thing.parsed} - {""}
    erased = erased_at(
        firm_id=place.connection.firm_id, kind=Tombstone.Kind.EMAIL, values=senders
    )
    for item in items:
        parsed, received_at = item.thing.parsed, item.thing.received_at
        if parsed and received_at < erased.get(parsed.sender.email, received_at):
            item.skip(Reason.ERASED)
    return [item for item in items if not item.undone]


def _arrivals(
    place: Place, letters: Sequence[Letter], keys: Mapping[int, str]
) -> dict[int, Arrival]:
    senders = [letter.parsed.sender.email for letter in letters if letter.parsed]
    known = writers(firm_id=place.connection.firm_id, emails=senders)
    return {
        letter.uid: Arrival(
            keys[letter.uid],
            letter.fingerprint,
            letter.parsed,
            letter.received_at,
            letter.is_auto,
            known.get(letter.parsed.sender.email),
        )
        for letter in letters
        if letter.parsed is not None
    }


_COLUMNS = (
    "firm", "connection", "entry", "writer", "folder", "uidvalidity", "uid", "message_key",
    "fingerprint", "message_id", "in_reply_to", "references", "sender_name", "sender_email",
    "to", "cc", "subject", "text", "html", "received_at", "header_date", "size", "state",
    "problem", "is_auto", "raw", "files_due", "created_at",
)  # fmt: skip
_ATTACHMENT_COLUMNS = (
    "firm", "message", "position", "name", "content_type", "content_id", "is_inline", "size",
    "document",
)  # fmt: skip


def _insert(
    place: Place,
    letters: Sequence[Letter],
    keys: Mapping[int, str],
    arrivals: Mapping[int, Arrival],
) -> None:
    firm = place.connection.firm
    documents = announce_files(
        firm=firm,
        letters=[letter.files for letter in letters],
        storage=place.storage,
        now=place.now,
    )
    rows = [
        _row(letter, keys[letter.uid], arrivals.get(letter.uid), raw)
        for letter, (raw, _) in zip(letters, documents, strict=True)
    ]
    messages = bulk.insert(EmailMessage, _COLUMNS, rows)
    bulk.insert(
        EmailAttachment,
        _ATTACHMENT_COLUMNS,
        (
            (firm.pk, message, number, file.name, file.content_type, file.content_id,
             file.is_inline, len(file.content), document)
            for message, letter, (_, attached) in zip(messages, letters, documents, strict=True)
            for number, (file, document) in enumerate(
                zip(letter.files.attachments, attached, strict=True), 1
            )
        ),
    )  # fmt: skip


def _row(
    letter: Letter, key: str, arrival: Arrival | None, raw: int | None
) -> tuple[object, ...]:
    place, parsed = letter.place, letter.parsed or NOTHING
    return (
        place.connection.firm_id,
        place.connection.pk,
        arrival.entry_id if arrival else None,
        arrival.writer_id if arrival else None,
        place.folder,
        place.uidvalidity,
        letter.uid,
        key,
        letter.fingerprint,
        parsed.message_id,
        next(iter(parsed.in_reply_to), ""),
        list(parsed.references),
        parsed.sender.name,
        parsed.sender.email,
        [str(person) for person in parsed.to],
        [str(person) for person in parsed.cc],
        parsed.subject,
        parsed.text,
        parsed.html,
        letter.received_at,
        parsed.date,
        letter.size,
        letter.state,
        letter.problem[:200],
        letter.is_auto,
        raw,
        raw is not None,
        place.now,
    )


def _advance(place: Place, page: Sequence[int], done: set[int]) -> None:
    """Move the cursor up to the first letter of a page that is not in the books yet."""
    done = done | stored_uids(place, page)
    passed = list(takewhile(done.__contains__, page))
    if passed:
        move_cursor(place, passed[-1])
