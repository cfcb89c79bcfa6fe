"""What the apps hold about people, table by table, and what may become of it.

Each app says it in its ``personal.py``; the module that ``settings.PERSONAL`` names
(``project/personal.py``) gathers them as ``urls.py`` gathers routes. ``apps.privacy`` exports,
erases and lets expire by these pages alone, and a test fails for every column that no page
accounts for, so that a table added next year cannot be forgotten.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.db.models import Model, Q, QuerySet, TextChoices

AT_ERASURE: Final = object()  # in ``becomes``: the instant of the erasure


class Basis(TextChoices):
    """How the data came to us, as an export tells the person."""

    PROVIDED = "provided"
    OBSERVED = "observed"
    DERIVED = "derived"


class Fate(TextChoices):
    """What an erasure does to a person's rows of a table."""

    ERASE = "erase"
    ANONYMISE = "anonymise"
    RETAIN = "retain"


@dataclass(frozen=True, slots=True)
class People:
    """Somebody (or several), as keys: their accounts, and what firms know them as."""

    users: frozenset[int] = frozenset()
    contacts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Holds:
    """What a firm must keep because of a dispute, whatever else is said about it."""

    everything: bool = False
    keys: Mapping[str, frozenset[int]] = field(default_factory=dict)  # by model label

    def of(self, label: str) -> frozenset[int]:
        """Return the keys of the held rows of a table."""
        return self.keys.get(label, frozenset())

    @property
    def people(self) -> People:
        """Return whose data is held."""
        return People(self.of("firms.user"), self.of("contacts.contact"))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a person handed in; it may be missing where it should be."""

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that an erasure must have done outside the building, after its commit.

    ``kind`` finds who does it (``OUTSIDE``); ``key`` says to what, and never names a person.
    """

    kind: str
    key: str


@dataclass(frozen=True)
class Holding:
    """What one table holds about people. Every text column is named exactly once.

    ``of`` finds the rows that are about some people (without asking for the firm: whoever
    asks adds it). ``authors`` are foreign keys to somebody who did something with a row that
    is not about them. ``told`` is free text in which anybody may be spoken of.
    """

    model: type[Model]
    category: str = ""  # what people call it: "invoices"; tables may share one
    of: Callable[[People], Q] | None = None  # None: no row is about anybody
    basis: Basis = Basis.PROVIDED
    exports: Sequence[str] = ()  # columns that the person gets a copy of
    fate: Fate = Fate.ERASE
    # Column → what stands there afterwards; a callable gets the row's key. At once when
    # anonymised, at the end of the statutory period when retained.
    becomes: Mapping[str, Any] = field(default_factory=dict)
    since: str = ""  # retained: the date or instant that the statutory years count from
    held: Callable[[Holds], Q] | None = None  # held beside what ``of`` finds for held people
    authors: Sequence[str] = ()
    told: Sequence[str] = ()
    plain: Sequence[str] = ()  # text columns that say nothing about anybody, and never will
    secret: Sequence[str] = ()  # about somebody, but not for export: keys, hashes, tokens
    attachments: Callable[[QuerySet[Any]], Iterable[Attachment]] | None = None
    # Before the rows change: what has to be done outside.
    outside: Callable[[QuerySet[Any]], Iterable[Step]] | None = None
    # Instead of a bulk delete: lets the rows go, in the transaction of the erasure.
    erase: Callable[[QuerySet[Any]], int] | None = None


@dataclass(frozen=True)
class Expiry:
    """Rows of one type of data that go when a firm's retention policy says so (spec D6).

    ``due`` returns a firm's rows whose anchor is strictly before an instant, without those
    that are still in use. ``delete`` and ``anonymise`` take the keys of up to a batch, inside
    its transaction, and return how many rows of the type were dealt with. ``finish`` makes
    the calls that leave the building once they are committed.
    """

    data_type: str
    model: type[Model]
    due: Callable[[int, datetime], QuerySet[Any]]
    delete: Callable[[Sequence[int]], int]
    anonymise: Callable[[Sequence[int]], int]
    finish: Callable[[Sequence[int]], None] | None = None


# Says why a person's data cannot be erased in a firm yet: "INV-2025-014 is still open".
Blocker = Callable[[People, int], Iterable[str]]


def holdings() -> tuple[Holding, ...]:
    """Return what every table of the project holds."""
    found: tuple[Holding, ...] = import_module(settings.PERSONAL).HOLDINGS
    return found


def expiries() -> tuple[Expiry, ...]:
    """Return what retention policies can let expire."""
    found: tuple[Expiry, ...] = import_module(settings.PERSONAL).EXPIRIES
    return found


def blockers() -> tuple[Blocker, ...]:
    """Return who has a say in whether somebody can be erased yet."""
    found: tuple[Blocker, ...] = import_module(settings.PERSONAL).BLOCKERS
    return found


def outside() -> Mapping[str, Callable[[str], None]]:
    """Return who does each kind of step outside the building; doing one twice is harmless."""
    found: Mapping[str, Callable[[str], None]] = import_module(settings.PERSONAL).OUTSIDE
    return found
