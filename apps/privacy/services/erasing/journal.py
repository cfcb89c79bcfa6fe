"""What outlives the database: that somebody was erased, as ids and keyed hashes only.

A database that is restored from a backup knows people who have been erased since. The
journal is kept where files are kept, one small object for each erasure, so that the
database can be told (``replay_erasures``). It names nobody.
"""

import hashlib
import io
import json
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Self

from apps.contacts.models import Contact, Tombstone
from apps.contacts.services import digests_of
from apps.core.hashes import keyed_hashes
from apps.core.personal import People
from apps.core.problems import Problem
from apps.firms.models import User
from apps.integrations.storage import get_storage
from apps.notifications.models import Channel
from apps.notifications.services.wishes import address_hashes
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.covering import Covers
from apps.privacy.services.erasing.marks import Kind, Marks, shared

FOLDER = "erasures/"

_PURPOSE = "privacy.journal"


@dataclass(frozen=True)
class Entry:
    """One erasure, as the journal has it."""

    key: str
    firm: int | None  # who was asked; without it every firm, and the platform
    user: int | None
    contact: int | None
    law: str
    received_on: str
    due_on: str
    firms: list[int]
    users: list[int]
    contacts: list[int]
    digests: list[str]  # of former addresses and numbers: a key may mean another by then
    tombstones: list[list[str]]  # kind and digest
    suppressions: list[list[str]]  # a firm's key, channel and address hash

    @classmethod
    def of(cls, request: ErasureRequest) -> Self:
        """Return what the journal is to know of an erasure; while its marks are still kept."""
        covers, marks = Covers.read(request.covers), Marks.read(request.marks)
        alone = marks.without(shared(marks, covers.people, request.firm_id))
        emails, phones = alone.texts(Kind.EMAIL), alone.texts(Kind.PHONE)
        former = {Tombstone.Kind.EMAIL: emails, Tombstone.Kind.PHONE: phones}
        ways = [(Channel.EMAIL, one) for one in emails] + [(Channel.SMS, one) for one in phones]
        return cls(
            key=str(request.key),
            firm=request.firm_id,
            user=request.user_id,
            contact=request.contact_id,
            law=request.law,
            received_on=str(request.received_on),
            due_on=str(request.due_on),
            firms=list(covers.firms),
            users=sorted(covers.people.users),
            contacts=sorted(covers.people.contacts),
            digests=[
                _digests(text)[0]
                for kind in (Kind.EMAIL, Kind.PHONE)
                for text in marks.texts(kind)
            ],
            tombstones=[
                list(one) for one in digests_of(firm_id=request.firm_id, former=former)
            ],
            suppressions=[
                [str(firm_id), channel, address_hashes(firm_id, address)[0]]
                for firm_id in covers.firms
                for channel, address in ways
            ],
        )

    def still_here(self) -> People:
        """Return which of the people the database knows under their former addresses."""
        users = User.objects.filter(pk__in=self.users, erased_at=None)
        contacts = Contact.objects.present().filter(pk__in=self.contacts)
        return People(
            frozenset(user.pk for user in users if self._is_of(user.email)),
            frozenset(one.pk for one in contacts if self._is_of(one.email, one.phone)),
        )

    def _is_of(self, *texts: str) -> bool:
        return any(
            digest in self.digests for text in texts if text for digest in _digests(text)
        )


def write_journal(key: str) -> None:
    """Write an erasure into the journal. Doing it twice is harmless."""
    request = ErasureRequest.objects.get(key=key)
    content = json.dumps(asdict(Entry.of(request))).encode()
    with closing(get_storage()) as storage:
        storage.put(
            _place(key),
            io.BytesIO(content),
            content_type="application/json",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )


def unknown_keys() -> list[str]:
    """Return the erasures of the journal of which the database does not know that they began.

    Not to be called inside a transaction.
    """
    begun = ErasureRequest.objects.exclude(covers={})
    known = {str(key) for key in begun.values_list("key", flat=True)}
    with closing(get_storage()) as storage:
        names = [stored.key for stored in storage.listing(FOLDER)]
    keys = [name.removeprefix(FOLDER).removesuffix(".json") for name in names]
    return [key for key in keys if key not in known]


def read_entry(key: str) -> Entry:
    """Read one erasure; raises ``Problem``. Not to be called inside a transaction."""
    with closing(get_storage()) as storage:
        content = b"".join(storage.read(_place(key)))
    try:
        return Entry(**json.loads(content))
    except (TypeError, ValueError):
        raise Problem("This is no entry of the journal.") from None


def _place(key: str) -> str:
    return f"{FOLDER}{key}.json"


def _digests(text: str) -> list[str]:
    return keyed_hashes(_PURPOSE, text.strip().lower())
