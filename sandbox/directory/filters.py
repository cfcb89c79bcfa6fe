"""Which entries a search's filter wants."""

from sandbox.directory.entries import Entries, Entry
from sandbox.directory.messages import Filter

__all__ = ["matches"]

BIT_AND = "1.2.840.113556.1.4.803"
IN_CHAIN = "1.2.840.113556.1.4.1941"


def matches(entries: Entries, entry: Entry, filter: Filter) -> bool:
    """Whether an entry is what a filter asks for."""
    inner = (matches(entries, entry, one) for one in filter.inner)
    if filter.kind == "by rule" and filter.rule == IN_CHAIN:
        return entries.is_within(entry, filter.value.decode())
    values = entries.read(entry, filter.name) if filter.name else []
    match filter.kind:
        case "and":
            return all(inner)
        case "or":
            return any(inner)
        case "not":
            return not any(inner)
        case "present":
            return bool(values)
        case "at least":
            return any(int(value) >= int(filter.value) for value in values)
        case "at most":
            return any(int(value) <= int(filter.value) for value in values)
        case "by rule":
            return any(_has_bits(int(value), filter) for value in values)
        case "like":
            return any(_is_like(value.lower(), filter) for value in values)
        case _:
            return filter.value.lower() in {value.lower() for value in values}


def _has_bits(value: int, filter: Filter) -> bool:
    bits = int(filter.value)
    return value & bits == bits if filter.rule == BIT_AND else bool(value & bits)


def _is_like(value: bytes, filter: Filter) -> bool:
    at = 0
    for kind, part in filter.parts:
        text = part.lower()
        if kind == "initial":
            found = 0 if value.startswith(text) else -1
        elif kind == "final":
            found = len(value) - len(text) if value[at:].endswith(text) else -1
        else:
            found = value.find(text, at)
        if found < 0:
            return False
        at = found + len(text)
    return True
