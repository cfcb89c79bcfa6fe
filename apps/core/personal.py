"""What the apps hold about people, table by table, and what may become of it.

Each app says it in its ``personal.py``; the module that ``settings.PERSONAL`` names
(``project/personal.py``) gathers them as ``urls.py`` gathers routes. ``apps.privacy`` exports,
erases and lets expire by these pages alone, and a test fails for every column that no page
accounts for, so that a table added next year cannot be forgotten.
"""

import json
import pickle  # what it calls its first byte; nothing is loaded
import pickletools
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any, BinaryIO, Final, Self

from django.conf import settings
from django.core.signing import b64_decode
from django.db.models import Model, Q, QuerySet, TextChoices

from apps.core.days import MOST_DAYS, Clock, local_midnight

AT_ERASURE: Final = object()  # in ``becomes``: the instant of the erasure


class Basis(TextChoices):
    """How the data came to us, as an export tells the person."""

    PROVIDED = "provided"  # by the person, or agreed with them
    OBSERVED = "observed"  # what they did, and what happened to them
    DERIVED = "derived"  # what a firm or a job made of it


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

    def also(self, label: str, keys: Iterable[int]) -> "Holds":
        """Return the same, with more rows of a table held."""
        return replace(self, keys={**self.keys, label: self.of(label).union(keys)})

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


Of = Callable[[People], Q]
Found = Callable[[str], bool]  # tells whether somebody is spoken of in a text


@dataclass(frozen=True)
class Holding:
    """What one table holds about people.

    Each text column is named: in ``exports``, ``told``, ``plain`` or ``secret``, and whatever
    must not stay for ever in ``becomes``. Only a column that is exported may be ``told`` as
    well: its copy is then given without the names of others.
    """

    model: type[Model]
    category: str = ""  # what people call it: "invoices"; tables may share one
    # Finds the rows that are about some people. It does not ask for the firm (whoever asks
    # adds ``firm``), and finds no row twice. Nothing: no row is about anybody.
    of: Of | None = None
    firm: str = "firm"  # the way to a row's firm; empty: the platform's own
    basis: Basis = Basis.PROVIDED
    # Columns, also of rows this one points to ("invoice__number"), that the person gets a
    # copy of. Amounts (``*_minor``) are in the currency that ``currency`` leads to.
    exports: Sequence[str] = ()
    currency: str = "currency"
    attachments: Callable[[QuerySet[Any]], Iterable[Attachment]] | None = None
    fate: Fate = Fate.ERASE
    # Column → what stands there afterwards; a callable gets the row's key. At once when
    # anonymised, at the end of the statutory period when retained. In a table that is about
    # nobody, a ``told`` column in which somebody is found becomes this as a whole; of any
    # other the words found are taken out.
    becomes: Mapping[str, Any] = field(default_factory=dict)
    # Retained: the date or instant that the statutory years count from, also of a row this
    # one points to. Where it is empty in a row, they count from the erasure.
    since: str = ""
    retains: Q | None = None  # retained: these rows only; the others are anonymised at once
    # Retained: the foreign key to the row whose restriction is theirs too (an invoice's lines).
    kept_with: str = ""
    # Retained: writes down on the rows what the law wants known of the person, before the
    # person's own rows change.
    keeps: Callable[[QuerySet[Any]], object] | None = None
    # Rows that are somebody else's, too: they stay as they are until nobody is left of them.
    others: Of | None = None
    held: Callable[[Holds], Q] | None = None  # held beside what ``of`` finds for held people
    # Foreign keys to somebody who did something with a row that is not about them.
    authors: Sequence[str] = ()
    # Columns by which somebody outside knows the person (a gateway's customer): like names
    # and addresses they are looked for in everything that is told.
    ids: Sequence[str] = ()
    # Column → kind of tombstone (``contacts.Tombstone.Kind``): what must not come back.
    buried: Mapping[str, str] = field(default_factory=dict)
    told: Sequence[str] = ()  # free text in which anybody may be spoken of
    plain: Sequence[str] = ()  # text columns that say nothing about anybody, and never will
    secret: Sequence[str] = ()  # never exported: passwords, tokens, keys, hashes
    # For ``told`` columns that SQL cannot search (pickled, signed, bytes): yields the keys of
    # the rows in which somebody is found. Without anything in ``becomes`` these rows go.
    search: Callable[[Found], Iterable[Any]] | None = None
    # Instead of that: gets the rows that ``search`` found, and what takes somebody out of a
    # value, and returns how many rows it let go.
    retells: Callable[[QuerySet[Any], Callable[[Any], Any]], int] | None = None
    # Before the rows change: what has to be done outside.
    outside: Callable[[QuerySet[Any]], Iterable[Step]] | None = None
    # Instead of deleting them, or of writing over them: lets the rows go, in the transaction
    # of the erasure, and when the law no longer has them kept.
    erase: Callable[[QuerySet[Any]], int] | None = None


def by_contact(path: str) -> Of:
    """Return an ``of`` that finds rows by the contact that a path leads to."""
    return lambda people: Q(**{f"{path}__in": people.contacts})


def by_user(path: str) -> Of:
    """Return an ``of`` that finds rows by the user that a path leads to."""
    return lambda people: Q(**{f"{path}__in": people.users})


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Where a retention policy draws its line: what is strictly before it is due (spec D6)."""

    day: date  # in the firm's calendar
    at: datetime  # the midnight with which that day begins there

    @classmethod
    def of(cls, clock: Clock, zone_name: str, days: int) -> Self:
        """Return the cutoff of what is kept for so many days, by a calendar in that zone."""
        day = clock.today(zone_name) - timedelta(days=min(days, MOST_DAYS))
        return cls(day, local_midnight(day, zone_name))


NOTHING: Final = Q(pk__in=())


@dataclass(frozen=True, slots=True)
class Removed:
    """What came of removing things outside the building."""

    gone: int
    left: int  # for the next run
    problem: str  # why, in a sentence


@dataclass(frozen=True, slots=True)
class Removal:
    """How things outside the building go whose rows were marked, once that is committed.

    ``marked`` returns a firm's; ``remove`` lets all go that are not held, also those that an
    earlier run could not, outside any transaction.
    """

    marked: Callable[[int], QuerySet[Any]]
    remove: Callable[[int, Q, datetime], Removed]


@dataclass(frozen=True)
class Expiry:
    """Rows of one type of data that go when a firm's retention policy says so (spec D6).

    Several may share a type: their figures add up. ``due`` returns a firm's rows before a
    cutoff, without those that the app itself still needs. ``delete`` and ``anonymise`` take
    the keys of up to a batch and the instant, inside the batch's transaction, and return how
    many of them count.
    """

    data_type: str
    model: type[Model]
    due: Callable[[int, Cutoff], QuerySet[Any]]
    delete: Callable[[Sequence[int], datetime], int]
    anonymise: Callable[[Sequence[int], datetime], int]
    anonymised: Q = NOTHING  # what anonymising leaves: due no more, unless to be deleted
    removal: Removal | None = None  # rows are marked first, and count once they are gone
    shared: bool = False  # rows of several firms at once: go in a run over all firms only


@dataclass(frozen=True, slots=True)
class Need:
    """Rows of a table below that an app above still works with, however old they are."""

    model: type[Model]
    rows: Callable[[int, Cutoff], Q]  # a firm's


# Says why a person's data cannot be erased in a firm yet: "INV-2025-014 is still open".
Blocker = Callable[[People, int], Iterable[str]]

# Says what else is held because something is: with a lease, its parties and its agreement.
Alongside = Callable[[Holds], Holds]


def holdings() -> tuple[Holding, ...]:
    """Return what every table of the project holds."""
    found: tuple[Holding, ...] = import_module(settings.PERSONAL).HOLDINGS
    return found


def under_hold(model: type[Model], holds: Holds) -> Q:
    """Return which rows of a table a firm's legal holds cover."""
    if holds.everything:
        return ~NOTHING
    held = Q(pk__in=holds.of(model._meta.label_lower))
    for page in holdings():
        if page.model is model:
            held |= page.of(holds.people) if page.of else NOTHING
            held |= page.held(holds) if page.held else NOTHING
    return held


def expiries() -> tuple[Expiry, ...]:
    """Return what retention policies can let expire."""
    found: tuple[Expiry, ...] = import_module(settings.PERSONAL).EXPIRIES
    return found


def needs() -> tuple[Need, ...]:
    """Return what apps above still work with in tables below them."""
    found: tuple[Need, ...] = import_module(settings.PERSONAL).NEEDS
    return found


def blockers() -> tuple[Blocker, ...]:
    """Return who has a say in whether somebody can be erased yet."""
    found: tuple[Blocker, ...] = import_module(settings.PERSONAL).BLOCKERS
    return found


def alongside() -> tuple[Alongside, ...]:
    """Return who knows what else is held along with something."""
    found: tuple[Alongside, ...] = import_module(settings.PERSONAL).ALONGSIDE
    return found


def outside() -> Mapping[str, Callable[[str], None]]:
    """Return who does each kind of step outside the building; doing one twice is harmless."""
    found: Mapping[str, Callable[[str], None]] = import_module(settings.PERSONAL).OUTSIDE
    return found


# ---- text that SQL cannot read ----------------------------------------------------------


def read_text(data: bytes) -> str:
    """Return the text in some bytes, to look for somebody in.

    JSON without its escapes; the strings of a pickle, one a line; of anything else whatever
    is text.
    """
    try:
        return json.dumps(json.loads(data), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    if data.startswith(pickle.PROTO):  # others only look like one to whoever takes them apart
        with suppress(ValueError, IndexError):
            return "\n".join(_strings_in_pickle(data))
    return data.decode(errors="ignore")


def _strings_in_pickle(data: bytes) -> Iterator[str]:
    """Yield what is text in a pickle. It is not loaded: that may run what others wrote.

    Decoding its bytes would not do: a string's length stands before it, and may be a letter.
    """
    for _, value, _ in pickletools.genops(data):
        if isinstance(value, str):
            yield value
        elif isinstance(value, bytes | bytearray):
            yield value.decode(errors="ignore")


def read_signed(value: str) -> str:
    """Return the text in what ``django.core.signing`` has signed, whoever's key it was.

    What an older key signed can no longer be used, but still holds people's data.
    """
    data = value.partition(":")[0].encode()
    try:
        if data.startswith(b"."):
            return read_text(zlib.decompress(b64_decode(data[1:])))
        return read_text(b64_decode(data))
    except (ValueError, zlib.error):
        return value
