"""What somebody is recognised by wherever they are spoken of: addresses, numbers, names, ids.

Collected before anything is erased, and kept, encrypted, until the erasure is completed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat, Lower

from apps.contacts.models import Contact
from apps.core.fields import Secrets
from apps.core.personal import People, holdings
from apps.firms.models import User

SHORTEST_HANDLE = 5  # characters of a user's name that is nobody's first name or a word
SHORTEST_NAME = 3  # characters of a name in a script without upper and lower case


class Kind(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    NAME = "name"
    ID = "id"  # how somebody outside calls them: a gateway's customer, a user's name


_NOUNS = {
    Kind.NAME: ("name", "names"),
    Kind.EMAIL: ("address", "addresses"),
    Kind.PHONE: ("number", "numbers"),
}


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One text by which somebody is recognised."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Marks:
    """Everything that somebody is recognised by."""

    all: frozenset[Mark] = frozenset()
    vague: int = 0  # names of one word, which say nothing about whom a text speaks of

    def __bool__(self) -> bool:
        return bool(self.all)

    def texts(self, kind: Kind) -> list[str]:
        """Return the texts of one kind, in order."""
        return sorted(mark.text for mark in self.all if mark.kind == kind)

    def without(self, others: Iterable[Mark]) -> "Marks":
        """Return the same without some."""
        return Marks(self.all.difference(others), self.vague)

    @classmethod
    def of(cls, people: People) -> Self:
        """Collect what some people are recognised by.

        Whoever was erased before has none left.
        """
        found, vague = set[Mark](), set[str]()
        for mark in _of_everybody(people):
            text = " ".join(mark.text.split())
            if mark.kind == Kind.NAME and not tells(text):
                vague |= {text} if text else set()
            elif text:
                found.add(Mark(mark.kind, text.lower() if mark.kind == Kind.EMAIL else text))
        return cls(frozenset(found), len(vague))

    # ---- as they are kept until the erasure is completed ----------------------------------

    def kept(self) -> Secrets:
        """Return them for a column that is encrypted."""
        return Secrets(
            marks=json.dumps([[mark.kind, mark.text] for mark in sorted(self.all)]),
            vague=str(self.vague),
        )

    @classmethod
    def read(cls, kept: Secrets) -> Self:
        """Return what was kept."""
        pairs = json.loads(kept.get("marks", "[]"))
        marks = frozenset(Mark(Kind(kind), text) for kind, text in pairs)
        return cls(marks, int(kept.get("vague", 0)))


def tells(name: str) -> bool:
    """Whether a name says whom a text speaks of.

    ``Rose`` may be a flower: a single word is not looked for, unless its script knows no
    capitals, where names are written without a space.
    """
    if " " in name:
        return True
    return len(name) >= SHORTEST_NAME and not any(one.lower() != one.upper() for one in name)


def shared(marks: Marks, people: People, firm_id: int | None) -> frozenset[Mark]:
    """Return the marks that somebody else has, too: in a firm, or anywhere.

    They are not looked for: a text with such a name may speak of the other one, and mail to
    such an address may be for them.
    """
    contacts = Contact.objects.present().exclude(pk__in=people.contacts)
    users = User.objects.exclude(pk__in=people.users)
    if firm_id is not None:
        contacts = contacts.filter(firm=firm_id)
        users = users.filter(memberships__firm=firm_id)
    emails, phones = marks.texts(Kind.EMAIL), marks.texts(Kind.PHONE)
    names = [way for text in marks.texts(Kind.NAME) for way in {text.lower(), _lower(text)}]
    taken = {
        *_texts(contacts.filter(email__in=emails), "email"),
        *_texts(users.alias(at=Lower("email")).filter(at__in=emails), "email"),
        *_texts(contacts.filter(phone__in=phones), "phone"),
        *_names(contacts, names),
        *_names(users, names),
    }
    return frozenset(
        mark for mark in marks.all if mark.kind != Kind.ID and mark.text.lower() in taken
    )


def counted(marks: Iterable[Mark]) -> str:
    """Say how many marks of which kinds there are, and never which: ``1 name, 2 addresses``."""
    kinds = Counter(mark.kind for mark in marks)
    counts = [(kinds[kind], nouns) for kind, nouns in _NOUNS.items() if kinds[kind]]
    return ", ".join(f"{count} {nouns[count != 1]}" for count, nouns in counts)


# ---- inside -------------------------------------------------------------------------------


def _of_everybody(people: People) -> Iterator[Mark]:
    for user in User.objects.filter(pk__in=people.users):
        yield Mark(Kind.EMAIL, user.email)
        yield Mark(Kind.NAME, user.get_full_name())
        yield _handle(user.get_username())
    for contact in Contact.objects.present().filter(pk__in=people.contacts):
        first, last = contact.first_name, contact.last_name
        yield Mark(Kind.EMAIL, contact.email)
        yield Mark(Kind.PHONE, contact.phone)
        yield Mark(Kind.NAME, contact.display_name)
        if first and last:
            for name in (f"{first} {last}", f"{last} {first}", f"{last}, {first}"):
                yield Mark(Kind.NAME, name)
    for holding in holdings():
        if holding.of is not None and holding.ids:
            rows = holding.model._base_manager.filter(holding.of(people))
            for row in rows.values_list(*holding.ids):
                yield from (Mark(Kind.ID, str(text)) for text in row if text)


def _handle(username: str) -> Mark:
    """Return what a user's name gives away: an address, or a word that nobody writes."""
    if "@" in username:
        return Mark(Kind.EMAIL, username)
    word = username.isalpha() or len(username) < SHORTEST_HANDLE
    return Mark(Kind.ID, "" if word else username)


def _lower(text: str) -> str:
    """Return what SQLite's LOWER makes of a text: it knows A to Z only."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def _texts(rows: "QuerySet[Any]", column: str) -> set[str]:
    return {str(text).lower() for text in rows.values_list(column, flat=True)}


def _names(rows: "QuerySet[Any]", names: list[str]) -> set[str]:
    """Return which of these names people have, whichever way they are written."""
    first, last = "first_name", "last_name"
    ways = {
        "one_way": Lower(Concat(first, Value(" "), last)),
        "other_way": Lower(Concat(last, Value(" "), first)),
        "with_comma": Lower(Concat(last, Value(", "), first)),
    }
    if rows.model is Contact:
        ways["shown"] = Lower("display_name")
    either = Q()
    for way in ways:
        either |= Q(**{f"{way}__in": names})
    found = rows.annotate(**ways).filter(either).values_list(*ways)
    return {text.lower() for row in found for text in row}
