"""A domain: who is in it, who may read it, and what it answers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint

from sandbox.callbacks import Signer
from sandbox.core import Core, Json, Vendor
from sandbox.directory import messages
from sandbox.directory.entries import GROUP, PERSON, SETTINGS, UNIT, Entries, Entry
from sandbox.directory.filters import matches
from sandbox.directory.messages import Request
from sandbox.directory.server import HOST, Server

__all__ = ["BASE", "Directory"]

BASE = "DC=directory,DC=example"
SHOW_DELETED = "1.2.840.113556.1.4.417"
EXTENDED_DN = "1.2.840.113556.1.4.529"
SUCCESS, SIZE_LIMIT, NO_SUCH_OBJECT, CONFIDENTIALITY = 0, 4, 32, 13
UNWILLING, INVALID_CREDENTIALS, RIGHTS = 53, 49, 50

_RANGE = re.compile(r"(?P<name>[\w-]+);range=(?P<start>\d+)-(?P<end>\d+|\*)\Z", re.IGNORECASE)


class Directory(Vendor):
    """One domain with one controller. See the package's docstring."""

    name = "directory"
    prefixes = ()  # nothing of it is HTTP
    verbs = frozenset({"add_person", "add_group", "add_unit", "change", "move", "remove"})

    def __init__(self, core: Core, *, port: int = 0) -> None:
        super().__init__(core)
        self.entries = Entries(BASE)
        self.server = Server(core, self.answer, port)
        self._begin()

    def _begin(self) -> None:
        self.accounts: dict[str, str] = {}  # who may sign in: name → password
        self.most_at_once = 1_000  # entries of one answer (MaxPageSize)
        self.most_values = 1_500  # of one attribute (MaxValRange)
        self.shows_deleted = True  # whether these accounts may look at tombstones

    def reset(self) -> None:
        self.entries.reset()
        self._begin()

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        """Add what a world file describes; it is told as the verbs take it."""
        with self.core.lock:
            self.accounts |= world["accounts"]
            for unit in world.get("units", ()):
                self.add_unit(**unit)
            for person in world.get("people", ()):
                self.add_person(**person)
            for group in world.get("groups", ()):
                self.add_group(**group)

    def state(self) -> Json:
        return {
            "usn": self.entries.usn,
            "entries": {entry.guid: entry.dn for entry in self.entries},
        }

    def kept(self) -> Json:
        return {"accounts": self.accounts, **self.entries.kept()}

    def recall(self, kept: Json) -> None:
        self.accounts = dict(kept["accounts"])
        self.entries.recall(kept)

    def blueprint(self) -> Blueprint:
        return Blueprint(self.name, __name__)

    def signer(self, id: str) -> Signer:
        raise LookupError("a directory calls nobody back")

    # ---- what happens in it -----------------------------------------------------------------

    def add_unit(self, name: str, *, unit: str = BASE) -> str:
        """Add an organisational unit and return its distinguished name."""
        return self._told(self.entries.add(UNIT, f"OU={name},{unit}")).dn

    def add_person(
        self,
        account: str,
        *,
        unit: str = BASE,
        guid: str = "",
        control: int = 512,
        **values: Any,
    ) -> str:
        """Add an account and return its id; ``control`` is its userAccountControl."""
        name = values.pop("cn", account)
        facts = {"sAMAccountName": account, "userAccountControl": control, **values}
        return self._told(
            self.entries.add(PERSON, f"CN={_escaped(name)},{unit}", guid=guid, **facts)
        ).guid

    def add_group(self, name: str, *, unit: str = BASE, members: Sequence[str] = ()) -> str:
        """Add a group of people and groups, by id or name; return its distinguished name."""
        ids = [self.entries.find(member).guid for member in members]
        return self._told(
            self.entries.add(GROUP, f"CN={name},{unit}", members=ids, sAMAccountName=name)
        ).dn

    def change(self, who: str, **values: Any) -> None:
        """Change attributes of an entry, or a group's members."""
        entry = self.entries.find(who)
        if "member" in values:
            listed = values.pop("member")
            entry.members = [self.entries.find(member).guid for member in listed]
        self.entries.change(entry, **values)
        self._told(entry)

    def move(self, who: str, *, name: str, unit: str) -> None:
        """Give an entry another name in another unit."""
        entry = self.entries.find(who)
        self.entries.move(entry, f"CN={_escaped(name)},{unit}")
        self._told(entry)

    def remove(self, who: str) -> None:
        """Delete an entry; its tombstone stays."""
        entry = self.entries.find(who)
        self.entries.remove(entry)
        self._told(entry)

    def _told(self, entry: Entry) -> Entry:
        self.core.touched.set()
        return entry

    # ---- what it answers --------------------------------------------------------------------

    def answer(self, request: Request, *, is_safe: bool, is_known: bool) -> Iterator[bytes]:
        """Yield the messages of an answer."""
        if request.method == "EXTENDED":
            yield messages.done(request.id, "EXTENDED")
        elif request.method == "BIND":
            yield self._bind(request, is_safe=is_safe)
        elif not is_known and request.name:
            yield messages.done(request.id, "SEARCH", 1, "a successful bind must be completed")
        else:
            with self.core.lock:
                yield from self._search(request)

    def _bind(self, request: Request, *, is_safe: bool) -> bytes:
        password = request.password.decode()
        code = SUCCESS
        if not is_safe:
            code = CONFIDENTIALITY
        elif not password or self.accounts.get(request.name) != password:
            code = INVALID_CREDENTIALS
        return messages.done(request.id, "BIND", code)

    def _search(self, request: Request) -> Iterator[bytes]:
        base, scope, wanted = request.name, request.scope, request.attributes
        if not base and scope == 0:
            yield messages.entry(request.id, "", self._root(wanted))
            yield messages.done(request.id, "SEARCH")
            return
        found = self._found(request, base, scope)
        if isinstance(found, int):
            yield messages.done(request.id, "SEARCH", found)
            return
        size, cookie = request.paged or (0, b"")
        start = int(cookie or 0)
        most = min(size or self.most_at_once, self.most_at_once)
        page = found[start : start + most]
        for entry in page:
            shown = self._shown(entry, wanted, with_ids=EXTENDED_DN in request.controls)
            yield messages.entry(request.id, entry.dn, shown)
        more = start + len(page) < len(found)
        if request.paged is None:
            yield messages.done(request.id, "SEARCH", SIZE_LIMIT if more else SUCCESS)
        else:
            next_one = str(start + len(page)).encode() if more else b""
            yield messages.done(request.id, "SEARCH", cookie=next_one)

    def _found(self, request: Request, base: str, scope: int) -> list[Entry] | int:
        shows = SHOW_DELETED in request.controls
        if shows and not self.shows_deleted:
            return RIGHTS
        if scope == 0:
            try:
                return [self.entries.find(base)]
            except LookupError:
                return NO_SUCH_OBJECT
        if base not in self.entries:
            return NO_SUCH_OBJECT
        below = [
            entry
            for entry in self.entries
            if entry.dn.lower().endswith(base.lower()) and (shows or not entry.deleted)
        ]
        return [entry for entry in below if matches(self.entries, entry, request.filter)]

    def _root(self, wanted: Sequence[str]) -> Iterator[tuple[str, list[bytes]]]:
        [settings] = [entry for entry in self.entries if entry.kind == SETTINGS]
        root = {
            "defaultNamingContext": BASE,
            "dsServiceName": settings.dn,
            "dnsHostName": HOST,
            "highestCommittedUSN": str(self.entries.usn),
        }
        for name in wanted:
            if name in root:
                yield name, [root[name].encode()]

    def _shown(
        self, entry: Entry, wanted: Sequence[str], *, with_ids: bool
    ) -> Iterator[tuple[str, list[bytes]]]:
        for asked in wanted:
            span = _RANGE.match(asked)
            name, start = (span["name"], int(span["start"])) if span else (asked, 0)
            values = self.entries.read(entry, name, with_ids=with_ids)
            part = values[start : start + self.most_values]
            if span or len(values) > len(part):
                end = start + len(part) - 1 if start + len(part) < len(values) else "*"
                yield f"{name};range={start}-{end}", part
            elif values:
                yield name, values


def _escaped(name: str) -> str:
    return re.sub(r'([,+"\\<>;=])', r"\\\1", name)
