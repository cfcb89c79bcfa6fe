"""Hear what a job says, to show it on a page."""

from collections.abc import Sequence
from typing import Any

from apps.core.reports import Item
from apps.core.watching import Watcher


class Listener(Watcher):
    """Keeps the lines that a command would have printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def wrote(self, text: str, level: int) -> None:
        self.lines.append(text)

    def told(self, items: Sequence[Item[Any]]) -> None:
        self.lines += [f"  {item.outcome.sign} {item.line}" for item in items if item.line]
