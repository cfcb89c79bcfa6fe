"""What the apps' demo seeders share: the clock, the dice, the fixtures, the tally."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password

from apps.core.days import Clock

PASSWORD = "demo-pass-2025"  # noqa: S105 - printed for everybody, used in demo firms only


@dataclass
class World:
    """A demo world in the making; the same clock always makes the same world."""

    clock: Clock
    dice: Random = field(default_factory=lambda: Random(2025))  # noqa: S311 - demo data
    made: dict[str, int] = field(default_factory=dict)
    # Which of these addresses were somebody's who was erased: nobody brings them back.
    find_erased: Callable[[Iterable[str]], set[str]] = field(default=lambda _: set())

    @cached_property
    def password(self) -> str:
        """The demo password, hashed once for everybody: hashing is slow on purpose."""
        return make_password(PASSWORD)

    def is_erased(self, email: str) -> bool:
        """Whether somebody with that address was erased, and is not to be made again."""
        return bool(self.find_erased([email]))

    def fixture(self, name: str) -> Any:
        """Read ``fixtures/<name>.json``."""
        path = settings.BASE_DIR / "fixtures" / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def count(self, what: str, number: int) -> None:
        """Note that so many of something were made."""
        self.made[what] = self.made.get(what, 0) + number
