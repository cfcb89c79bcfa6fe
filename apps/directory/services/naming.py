"""What new accounts are called, and how what a directory says fits into our columns."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from apps.firms.models import User

_STRANGE = re.compile(r"[^\w.@+-]+")  # what no name of an account may have
LONGEST = User._meta.get_field("username").max_length or 0


def fitted(model: Any, column: str, text: str) -> str:
    """Return a text, cut to what its column takes."""
    return text[: model._meta.get_field(column).max_length]


def name_wishes(label: str, *, guid: str, slug: str) -> list[str]:
    """Return the names that somebody's account would get, the best first.

    Names are one for all firms: whoever comes later gets the firm's with it.
    """
    name = _STRANGE.sub("-", label.lower()).strip("-") or "person"
    ends = ("", f"@{slug}", f"-{guid[:8]}@{slug}")
    return [name[: LONGEST - len(end)] + end for end in ends]


def choose_name(wishes: Sequence[str], taken: Collection[str], *, guid: str) -> str:
    """Return the best name that nobody has."""
    return next((name for name in wishes if name not in taken), guid)
