"""LDAP on the wire: tag, length, value, and nothing else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["PAGED", "Filter", "Request", "done", "entry", "read", "size_of"]

PAGED = "1.2.840.113556.1.4.319"
STARTTLS = "1.3.6.1.4.1.1466.20037"

_INTEGER, _OCTETS, _ENUMERATED, _SEQUENCE, _SET = 0x02, 0x04, 0x0A, 0x30, 0x31
_CONTROLS, _RESPONSE_NAME = 0xA0, 0x8A
_METHODS = {0x60: "BIND", 0x63: "SEARCH", 0x77: "EXTENDED", 0x42: "UNBIND"}
_ENTRY = 0x64
_FINISHES = {"BIND": 0x61, "SEARCH": 0x65, "EXTENDED": 0x78}
_FILTERS = {
    0xA0: "and",
    0xA1: "or",
    0xA2: "not",
    0xA3: "equal",
    0xA4: "like",
    0xA5: "at least",
    0xA6: "at most",
    0x87: "present",
    0xA8: "equal",  # approximately; a controller makes no difference
    0xA9: "by rule",
}
_PARTS = {0x80: "initial", 0x81: "any", 0x82: "final"}

Element = tuple[int, bytes]  # tag, value


@dataclass(frozen=True)
class Filter:
    """What a search wants: a tree of conditions."""

    kind: str
    inner: "tuple[Filter, ...]" = ()
    name: str = ""
    value: bytes = b""
    rule: str = ""
    parts: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Request:
    """What somebody asks."""

    id: int
    method: str  # BIND, SEARCH, EXTENDED, UNBIND; empty: what a directory of ours does not know
    controls: dict[str, bytes] = field(default_factory=dict)
    name: str = ""  # of who signs in; of where to search
    password: bytes = field(default=b"", repr=False)
    scope: int = 0  # 0: that very entry; 2: everything below
    filter: Filter = field(default_factory=lambda: Filter("and"))
    attributes: tuple[str, ...] = ()

    @property
    def paged(self) -> tuple[int, bytes] | None:
        """The size of a page and where it begins, if pages are wanted."""
        if PAGED not in self.controls:
            return None
        [(_, page)] = _elements(self.controls[PAGED])
        (_, size), (_, cookie) = _elements(page)
        return int.from_bytes(size, "big"), cookie


# ---- reading --------------------------------------------------------------------------------


def size_of(data: bytes) -> int:
    """Return how long the message is that begins here; -1 while nobody can tell."""
    if len(data) < 2 or len(data) < 2 + (data[1] & 0x7F) * (data[1] > 0x7F):
        return -1
    start, length = _measured(data, 0)
    return start + length


def read(data: bytes) -> Request:
    """Return the request that a message holds."""
    [(_, message)] = _elements(data)
    (_, number), (tag, body), *rest = _elements(message)
    request = Request(int.from_bytes(number, "big"), _METHODS.get(tag, ""), _controls(rest))
    match request.method:
        case "BIND":
            _, (_, name), (_, password) = _elements(body)
            return replace(request, name=name.decode(), password=password)
        case "SEARCH":
            (_, base), (_, scope), *_, wanted, (_, attributes) = _elements(body)
            return replace(
                request,
                name=base.decode(),
                scope=scope[0],
                filter=_filter(*wanted),
                attributes=tuple(name.decode() for _, name in _elements(attributes)),
            )
    return request


def _controls(rest: Sequence[Element]) -> dict[str, bytes]:
    found = {}
    for _, listed in rest:
        for _, control in _elements(listed):
            (_, name), *others = _elements(control)
            found[name.decode()] = next((v for tag, v in others if tag == _OCTETS), b"")
    return found


def _filter(tag: int, value: bytes) -> Filter:
    kind = _FILTERS[tag]
    if kind in {"and", "or", "not"}:
        return Filter(kind, inner=tuple(_filter(*one) for one in _elements(value)))
    if kind == "present":
        return Filter(kind, name=value.decode())
    if kind == "by rule":
        told = dict(_elements(value))
        rule, name = told[0x81].decode(), told[0x82].decode()
        return Filter(kind, name=name, rule=rule, value=told[0x83])
    (_, named), (_, wanted) = _elements(value)
    if kind == "like":
        parts = tuple((_PARTS[tag], part) for tag, part in _elements(wanted))
        return Filter(kind, name=named.decode(), parts=parts)
    return Filter(kind, name=named.decode(), value=wanted)


def _elements(data: bytes) -> list[Element]:
    found, at = [], 0
    while at < len(data):
        start, length = _measured(data, at)
        found.append((data[at], data[start : start + length]))
        at = start + length
    return found


def _measured(data: bytes, at: int) -> tuple[int, int]:
    """Return where a value begins and how long it is."""
    if data[at + 1] < 0x80:
        return at + 2, data[at + 1]
    start = at + 2 + (data[at + 1] & 0x7F)
    return start, int.from_bytes(data[at + 2 : start], "big")


# ---- writing --------------------------------------------------------------------------------


def entry(id: int, dn: str, attributes: Iterable[tuple[str, Sequence[bytes]]]) -> bytes:
    """Return an entry of a search's answer."""
    listed = b"".join(
        _tlv(_SEQUENCE, _text(name), _tlv(_SET, *(_tlv(_OCTETS, one) for one in values)))
        for name, values in attributes
    )
    return _message(id, _tlv(_ENTRY, _text(dn), _tlv(_SEQUENCE, listed)))


def done(
    id: int, method: str, code: int = 0, says: str = "", cookie: bytes | None = None
) -> bytes:
    """Return what ends an answer; a cookie, also an empty one, belongs to a page."""
    result = _tlv(_ENUMERATED, bytes([code])) + _text("") + _text(says)
    if method == "EXTENDED":
        result += _tlv(_RESPONSE_NAME, STARTTLS.encode())
    controls = b""
    if cookie is not None:
        page = _tlv(_SEQUENCE, _tlv(_INTEGER, b"\0"), _tlv(_OCTETS, cookie))
        controls = _tlv(_CONTROLS, _tlv(_SEQUENCE, _text(PAGED), _tlv(_OCTETS, page)))
    return _message(id, _tlv(_FINISHES[method], result), controls)


def _message(id: int, *parts: bytes) -> bytes:
    number = id.to_bytes(id.bit_length() // 8 + 1, "big")
    return _tlv(_SEQUENCE, _tlv(_INTEGER, number), *parts)


def _text(text: str) -> bytes:
    return _tlv(_OCTETS, text.encode())


def _tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, length, value: the whole of BER."""
    value = b"".join(parts)
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    written = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(written)]) + written + value
