"""The entries of a domain, and what is read of them."""

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Entries", "Entry"]

DISABLED = 0x2
GROUP, PERSON, UNIT, SETTINGS = "group", "person", "organizationalUnit", "nTDSDSA"
CLASSES = {
    PERSON: ("top", "person", "organizationalPerson", "user"),
    GROUP: ("top", "group"),
    UNIT: ("top", "organizationalUnit"),
    SETTINGS: ("top", "applicationSettings", "nTDSDSA"),
}


@dataclass
class Entry:
    """One entry. ``members`` are ids; everything else is text, by attribute."""

    guid: str
    dn: str
    kind: str
    usn: int
    values: dict[str, list[str]] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)
    deleted: bool = False


class Entries:
    """All entries of a domain, and its count of changes."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.reset()

    def reset(self) -> None:
        self.usn = 1_000
        self.invocation = str(uuid.uuid4())
        self._by_guid: dict[str, Entry] = {}
        self._by_dn: dict[str, Entry] = {}
        self.add(SETTINGS, f"CN=NTDS Settings,CN=DC1,CN=Servers,{self.base}")

    def add(self, kind: str, dn: str, *, guid: str = "", **values: Any) -> Entry:
        """Add an entry; raises ``ValueError`` where one is already."""
        if dn.lower() in self._by_dn:
            raise ValueError(f"there is a {dn} already")
        members = values.pop("members", [])
        entry = Entry(guid or str(uuid.uuid4()), dn, kind, 0, members=list(members))
        self._by_guid[entry.guid] = self._by_dn[dn.lower()] = entry
        self.change(entry, **values)
        return entry

    def change(self, entry: Entry, **values: Any) -> None:
        """Write attributes; an empty list removes one."""
        for name, value in values.items():
            listed = value if isinstance(value, list) else [value]
            entry.values[name.lower()] = [str(one) for one in listed]
        self.touch(entry)

    def move(self, entry: Entry, dn: str) -> None:
        """Give an entry another place, or another name in it."""
        del self._by_dn[entry.dn.lower()]
        entry.dn = dn
        self._by_dn[dn.lower()] = entry
        self.touch(entry)

    def remove(self, entry: Entry) -> None:
        """Leave a tombstone, and nothing of it in any group."""
        name = entry.dn.partition(",")[0]
        self.move(entry, f"{name}\\0ADEL:{entry.guid},CN=Deleted Objects,{self.base}")
        entry.deleted = True
        entry.values = {
            name: value for name, value in entry.values.items() if name == "samaccountname"
        }
        for group in self:
            if entry.guid in group.members:
                group.members.remove(entry.guid)

    def touch(self, entry: Entry) -> None:
        self.usn += 1
        entry.usn = self.usn

    def find(self, who: str) -> Entry:
        """Return an entry by its id, its name or ``<GUID=…>``; raises ``LookupError``."""
        if who.upper().startswith("<GUID="):
            who = who[6:].rstrip(">")
        return self._by_guid.get(who) or self._by_dn[who.lower()]

    def __iter__(self) -> Any:
        return iter(list(self._by_guid.values()))

    def __contains__(self, dn: str) -> bool:
        return dn.lower() == self.base.lower() or any(
            entry.dn.lower().endswith(dn.lower()) for entry in self
        )

    # ---- reading --------------------------------------------------------------------------

    def read(self, entry: Entry, name: str, *, with_ids: bool = False) -> list[bytes]:
        """Return the values of an attribute as they are on the wire."""
        name = name.lower()
        if name == "objectguid":
            return [uuid.UUID(entry.guid).bytes_le]
        if name == "invocationid":
            return [uuid.UUID(self.invocation).bytes_le] if entry.kind == SETTINGS else []
        if name == "member":
            return [self._link(self._by_guid[guid], with_ids) for guid in entry.members]
        if name == "memberof":
            return [
                self._link(group, with_ids) for group in self if entry.guid in group.members
            ]
        return [value.encode() for value in self._texts(entry, name)]

    def _texts(self, entry: Entry, name: str) -> list[str]:
        match name:
            case "distinguishedname":
                return [entry.dn]
            case "usnchanged":
                return [str(entry.usn)]
            case "isdeleted":
                return ["TRUE"] if entry.deleted else []
            case "objectclass":
                return list(CLASSES[entry.kind])
            case "objectcategory":
                return [] if entry.deleted else [entry.kind]
            case _:
                return entry.values.get(name, [])

    @staticmethod
    def _link(entry: Entry, with_ids: bool) -> bytes:
        shown = f"<GUID={uuid.UUID(entry.guid).bytes_le.hex()}>;" if with_ids else ""
        return f"{shown}{entry.dn}".encode()

    def is_within(self, entry: Entry, group: str) -> bool:
        """Whether an entry is in a group, also by way of others."""
        try:
            waiting, seen = [self.find(group)], set[str]()
        except LookupError:
            return False
        while waiting:
            one = waiting.pop()
            if entry.guid in one.members:
                return True
            seen.add(one.guid)
            inner = (self._by_guid[guid] for guid in one.members if guid not in seen)
            waiting += [each for each in inner if each.kind == GROUP]
        return False

    # ---- remembering ----------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        return {
            "usn": self.usn,
            "invocation": self.invocation,
            "entries": [asdict(entry) for entry in self],
        }

    def recall(self, kept: Mapping[str, Any]) -> None:
        self.usn, self.invocation = kept["usn"], kept["invocation"]
        entries = [Entry(**row) for row in kept["entries"]]
        self._by_guid = {entry.guid: entry for entry in entries}
        self._by_dn = {entry.dn.lower(): entry for entry in entries}
