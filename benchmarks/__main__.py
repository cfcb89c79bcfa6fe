"""Measure Nightshift on both databases: ``python -m benchmarks [PART] [--sizes 1000 10000]``.

PART is ``rent`` (if nothing is said), ``console``, a part of ``money``, ``people`` or
``outside``, one of these for all of theirs, or ``all``. What each measures, and against what,
is in docs/benchmarks.md. Whatever is measured runs in a process of its own, so that its peak
memory is its own.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from benchmarks import (
    charges,
    console,
    deals,
    directory,
    exporting,
    fieldwork,
    files,
    inbox,
    letters,
    mail,
    packages,
    reconciling,
    rent,
    reports,
    retention,
)
from benchmarks.stage import DATABASES, Figures, Sizes


class Part(Protocol):
    """A module that measures something; ``SIZES`` are what it takes if nothing is said."""

    SIZES: Sizes

    def measure(self, kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
        """Measure on a kind of database, print tables, and return their figures."""


MONEY: dict[str, Part] = {
    "charges": charges,
    "reconciling": reconciling,
    "reports": reports,
    "packages": packages,
    "inbox": inbox,
}
PEOPLE: dict[str, Part] = {
    "fieldwork": fieldwork,
    "deals": deals,
    "retention": retention,
    "exporting": exporting,
}
OUTSIDE: dict[str, Part] = {
    "files": files,
    "mail": mail,
    "directory": directory,
    "letters": letters,
}
PARTS: dict[str, Part] = {"rent": rent, **MONEY, **PEOPLE, **OUTSIDE, "console": console}
CHOICES = {name: {name: part} for name, part in PARTS.items()} | {
    "money": MONEY,
    "people": PEOPLE,
    "outside": OUTSIDE,
    "all": PARTS,
}


def main() -> None:
    """Measure, print the tables, and keep the figures in ``var/bench-<part>.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="?", default="rent", choices=CHOICES)
    parser.add_argument("--sizes", type=int, nargs="+", help="instead of the part's own")
    parser.add_argument("--databases", nargs="+", default=DATABASES, choices=DATABASES)
    options = parser.parse_args()
    parts = CHOICES[options.part]
    if options.sizes and len(parts) > 1:
        parser.error("--sizes mean something else to each part: name one part")
    screen = Console(width=118)
    screen.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    for name, part in parts.items():
        figures: list[Figures] = []
        for kind in options.databases:
            figures += part.measure(kind, options.sizes or part.SIZES[kind], screen)
        Path(f"var/bench-{name}.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
