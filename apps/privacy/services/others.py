"""Texts that somebody gets a copy of, without the names and addresses of others (spec D7)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.personal import People
from apps.firms.models import User

OTHER = "other participant"
SHORTEST = 3  # letters of a name that is a single word

# The look behind keeps a long run of letters without an @ from being tried at each of them.
_ADDRESS = re.compile(r"(?<![\w.+'-])[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"\+[1-9](?:[ ()./-]{0,2}\d){6,14}")
_WORD = re.compile(r"\w+")

Name = tuple[str, ...]  # its words


class Others:
    """Everybody whom a firm knows, beside the one who gets the copy.

    Looked up once and only if there is text: memory grows with the firm's people and not with
    the text. Full names are found in any spelling of capitals and spaces, a name that is a
    single word only as it is written: "Will" is not "will".
    """

    def __init__(self, firm_id: int | None, own: People) -> None:
        self.firm_id, self.own = firm_id, own

    def hide(self, value: Any) -> Any:
        """Return a text, or the texts within some JSON, with others made nameless."""
        match value:
            case str():
                return self._hide(value)
            case list():
                return [self.hide(one) for one in value]
            case dict():
                return {key: self.hide(one) for key, one in value.items()}
        return value

    def _hide(self, text: str) -> str:
        if not text:
            return text
        text = _ADDRESS.sub(self._unless_own, text)
        return self._without_names(_NUMBER.sub(self._unless_own, text))

    def _unless_own(self, found: re.Match[str]) -> str:
        return found[0] if _plain(found[0]) in self._own_addresses else OTHER

    def _without_names(self, text: str) -> str:
        words = list(_WORD.finditer(text))
        parts, begin, at = [], 0, 0
        while at < len(words):
            length = self._name_at(words, at)
            if length:
                parts += [text[begin : words[at].start()], OTHER]
                begin = words[at + length - 1].end()
            at += length or 1
        return "".join([*parts, text[begin:]])

    def _name_at(self, words: list[re.Match[str]], at: int) -> int:
        """Return of how many words the longest name is that begins here."""
        for name in self._names.get(words[at][0].casefold(), ()):
            said = tuple(word[0] for word in words[at : at + len(name)])
            if said == name or (len(name) > 1 and _folded(said) == _folded(name)):
                return len(name)
        return 0

    # ---- who there is -------------------------------------------------------------------

    @cached_property
    def _own_addresses(self) -> set[str]:
        users = User.objects.filter(pk__in=self.own.users)
        contacts = Contact.objects.filter(pk__in=self.own.contacts)
        rows = [
            *users.values_list("email", "username"),
            *contacts.values_list("email", "phone"),
        ]
        return {_plain(one) for row in rows for one in row if one}

    @cached_property
    def _names(self) -> dict[str, list[Name]]:
        """The names of others by their first word, longer ones first."""
        if self.firm_id is None:
            return {}
        mine, found = {_folded(name) for name in self._of(own=True)}, defaultdict(set)
        for name in self._of(own=False):
            if _folded(name) not in mine:
                found[name[0].casefold()].add(name)
        return {first: sorted(names, key=len, reverse=True) for first, names in found.items()}

    def _of(self, *, own: bool) -> Iterator[Name]:
        """Yield the names of the one who gets the copy, or of all others."""
        mine = Q(pk__in=self.own.contacts), Q(pk__in=self.own.users)
        contact, user = mine if own else (~one for one in mine)
        contacts = Contact.objects.filter(contact, firm=self.firm_id, kind=Contact.Kind.PERSON)
        users = User.objects.filter(user)
        if not own:
            users = users.filter(memberships__firm=self.firm_id)
        for display, first, last in contacts.values_list(
            "display_name", "first_name", "last_name"
        ).iterator():
            yield from _names_in(display, f"{first} {last}" if first and last else "")
        for first, last in users.values_list("first_name", "last_name").iterator():
            yield from _names_in(f"{first} {last}" if first and last else "")


def _names_in(*texts: str) -> Iterator[Name]:
    for text in texts:
        words = tuple(_WORD.findall(text))
        if len(words) > 1 or (words and len(words[0]) >= SHORTEST):
            yield words


def _folded(name: Name) -> Name:
    return tuple(word.casefold() for word in name)


def _plain(address: str) -> str:
    """Return an address or number as it can be compared."""
    if "@" in address:
        return address.casefold()
    return "+" + "".join(filter(str.isdigit, address)) if address.startswith("+") else address
