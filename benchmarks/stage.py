"""What every measurement stands on: fresh databases, vendors, processes, tables."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.servers.postgres import postgres
from tests.servers.sandbox import SandboxProcess

DATABASES = ["sqlite", "postgresql"]

Figures = dict[str, Any]
Sizes = Mapping[str, Sequence[int]]  # by the kind of database


def phase(url: str, name: str, *arguments: Any, vendors: str = "") -> Figures:
    """Run one phase, ``part.function``, in a process of its own and return its figures."""
    done = subprocess.run(
        command(name, *arguments),
        env=environment(url, vendors),
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def command(name: str, *arguments: Any) -> list[str]:
    """Return the command that runs a phase."""
    return [sys.executable, "-m", "benchmarks.phases", name, json.dumps(arguments)]


def environment(url: str, vendors: str = "") -> dict[str, str]:
    """Return a phase's environment: its database and, if there are any, its vendors."""
    given = {"DATABASE_URL": url, "LOG_LEVEL": "ERROR", "DEBUG": "false"}
    if vendors:
        given["STRIPE_API"] = vendors
    return {**os.environ, **given}


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Give the URL of a fresh, empty database of that kind."""
    if kind == "postgresql":
        with postgres() as url:
            yield url
    else:
        with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
            yield f"sqlite:///{folder}/bench.sqlite3"


@contextmanager
def sandbox(world: Path, *, latency: float) -> Iterator[SandboxProcess]:
    """Let the vendors play a world in a process of their own; each answer takes a while."""
    told = [sys.executable, "-m", "sandbox", "--port", "0", "--world", str(world)]
    with subprocess.Popen(told, stdout=subprocess.PIPE, text=True) as process:
        try:
            vendors = SandboxProcess(process, world)
            vendors.tell("latency", seconds=latency)
            yield vendors
        finally:
            process.terminate()


def counted(vendors: SandboxProcess, run: Callable[[], Figures]) -> tuple[Figures, int]:
    """Return what a run says, and how many requests it made to the vendors."""
    before = len(vendors.ask("log"))
    return run(), len(vendors.ask(f"log?after={before}"))


def drawn(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Draw a table; the first column is words, the others figures."""
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right" if table.columns else "left")
    for row in rows:
        table.add_row(*row)
    return table
