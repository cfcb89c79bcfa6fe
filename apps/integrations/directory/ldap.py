"""Active Directory, spoken to in LDAP."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from ldap3.utils.conv import escape_filter_chars

from apps.integrations.directory import (
    Controller,
    DirectoryBroken,
    DirectoryRefused,
    Person,
    Place,
)
from apps.integrations.directory.wire import Raw, Wire

# Microsoft's controls and rules (MS-ADTS 3.1.1.3.4).
SHOW_DELETED = ("1.2.840.113556.1.4.417", True, None)
EXTENDED_DN = ("1.2.840.113556.1.4.529", True, None)
IN_CHAIN = "1.2.840.113556.1.4.1941"

# Bits of userAccountControl (MS-ADTS 2.2.16). To be tested, never compared as a whole.
DISABLED = 0x0002
NO_PERSONS = 0x0800 | 0x1000 | 0x2000  # trusts between domains, workstations, controllers

NEVER = {0, 0x7FFF_FFFF_FFFF_FFFF}  # of accountExpires
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)

LONGEST = 1_000  # characters of any value; a distinguished name may be that long
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control characters, and what turns text around
JOINERS = "\u200c\u200d"  # which names in some scripts need
MOST_RANGES = 10_000  # parts of one attribute, 1,500 values each

T = TypeVar("T")


class LdapDirectory:
    """One controller; see the protocol."""

    def __init__(self, place: Place, server: str) -> None:
        self._place = place
        self._wire = Wire(place, server)
        try:
            self.controller = self._controller(server)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._wire.close()

    def people(self, *, since: int | None = None) -> Iterator[Sequence[Person]]:
        wanted = "(objectCategory=person)(objectClass=user)" + self._place.filter
        if since is not None:
            wanted += f"(uSNChanged>={since})"
        attributes = [
            *("objectGUID", "sAMAccountName", "userPrincipalName"),
            *("userAccountControl", "accountExpires", *self._place.attributes.values()),
        ]
        for page in self._wire.pages(self._place.base, f"(&{wanted})", attributes):
            people = (self._person(dn, entry) for dn, entry in page)
            yield [person for person in people if person is not None]

    def deleted(self, *, since: int) -> Iterator[Sequence[str]]:
        wanted = f"(&(isDeleted=TRUE)(objectClass=user)(uSNChanged>={since}))"
        try:
            for page in self._wire.pages(
                self._domain, wanted, ["objectGUID"], controls=[SHOW_DELETED]
            ):
                yield [_guid(entry) for _, entry in page]
        except DirectoryRefused:  # ordinary accounts may not; the next full look will find out
            return

    def members(self, group: str) -> Collection[str]:
        groups = {group, *self._groups_within(group)}
        return {guid for dn in groups for guid in self._members(dn)}

    # ---- inside ---------------------------------------------------------------------------

    def _controller(self, server: str) -> Controller:
        wanted = ["dsServiceName", "highestCommittedUSN", "defaultNamingContext"]
        root = self._wire.look("", wanted)
        self._domain = _text(root, "defaultNamingContext")
        service = _text(root, "dsServiceName")
        usn = _number(root, "highestCommittedUSN")
        if not service or usn is None:
            raise DirectoryBroken("That server is no controller of an Active Directory.")
        invocation = self._wire.look(service, ["invocationId"]).get("invocationId")
        return Controller(server, str(_uuid(invocation[0])) if invocation else "", usn)

    def _person(self, dn: bytes, entry: Raw) -> Person | None:
        control = _number(entry, "userAccountControl")
        if control is None:  # whether somebody may work is not for us to guess
            raise DirectoryRefused("The account may not read userAccountControl.")
        if control & NO_PERSONS:
            return None
        named = self._place.attributes.items()
        values = {word: _text(entry, attribute) for word, attribute in named}
        return Person(
            guid=_guid(entry),
            dn=_cleaned(dn),
            account=_text(entry, "sAMAccountName"),
            upn=_text(entry, "userPrincipalName"),
            is_disabled=bool(control & DISABLED),
            expires_at=_instant(_number(entry, "accountExpires")),
            values={word: value for word, value in values.items() if value},
        )

    def _groups_within(self, group: str) -> Iterator[str]:
        wanted = f"(&(objectCategory=group)(memberOf:{IN_CHAIN}:={escape_filter_chars(group)}))"
        for page in self._wire.pages(self._domain, wanted, ["objectGUID"]):
            for _, entry in page:
                yield f"<GUID={_guid(entry)}>"

    def _members(self, group: str) -> Iterator[str]:
        """Yield the ids of who is directly in a group; a large one is told in ranges."""
        wanted = "member"
        for _ in range(MOST_RANGES):
            entry = self._wire.look(group, [wanted], controls=[EXTENDED_DN])
            ends = set[str]()
            for name, values in entry.items():
                if span := _RANGE.match(name):
                    ends.add(span["end"])
                elif name.lower() != "member":
                    continue
                for value in values or ():
                    yield _guid_of_link(value)
            if not ends or "*" in ends:
                return
            wanted = f"member;range={max(map(int, ends)) + 1}-*"
        raise DirectoryBroken("The directory tells a group's members without an end.")


_RANGE = re.compile(r"member;range=\d+-(?P<end>\d{1,9}|\*)\Z", re.IGNORECASE)
_LINK = re.compile(rb"<GUID=(?P<guid>[0-9A-Fa-f-]{32,36})>")


def _guid(entry: Raw) -> str:
    values = entry.get("objectGUID")
    if not values:
        raise DirectoryBroken("The directory told an entry without its objectGUID.")
    return str(_uuid(values[0]))


def _uuid(value: bytes) -> UUID:
    return _read(lambda: UUID(bytes_le=bytes(value)))


def _guid_of_link(value: bytes) -> str:
    found = _LINK.match(value)
    if not found:
        raise DirectoryBroken("The directory told a member without its objectGUID.")
    written = found["guid"].decode()
    if "-" in written:
        return str(_read(lambda: UUID(written)))
    return str(_uuid(bytes.fromhex(written)))


def _text(entry: Raw, name: str) -> str:
    values = entry.get(name)
    return _cleaned(values[0]) if values else ""


def _cleaned(value: bytes) -> str:
    """Return a value as one line without what cannot be seen, and not too long."""
    text = bytes(value[: LONGEST * 4]).decode(errors="replace")
    text = " ".join(text.split())  # every kind of space and line break
    if not text.isprintable():  # character by character is slow, and rarely needed
        seen = (c for c in text if c in JOINERS or unicodedata.category(c) not in UNSEEN)
        text = "".join(seen)
    return text[:LONGEST].strip()


def _number(entry: Raw, name: str) -> int | None:
    values = entry.get(name)
    return _read(lambda: int(values[0])) if values else None


def _instant(ticks: int | None) -> datetime | None:
    """Return the instant that a count of 100 ns since 1601 is; the far future is never."""
    if ticks is None or ticks in NEVER:
        return None
    try:
        return EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError:
        return None


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, TypeError) as error:
        raise DirectoryBroken("The directory told what no Active Directory does.") from error
