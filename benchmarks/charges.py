"""process_recurring_charges against a gateway that takes 50 ms for every answer.

Beside it, on the same gateway: the bare calls as many at a time as the job makes them, with
nothing recorded, and the bare calls one after the other. The gateway's own log is the judge
of whether every invoice was charged once.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.stage import (
    DATABASES,
    Figures,
    Sizes,
    counted,
    database,
    drawn,
    phase,
    sandbox,
)
from tests.servers.sandbox import SandboxProcess

SIZES: Sizes = dict.fromkeys(DATABASES, (1_000, 5_000))
LATENCY = 0.05  # seconds
SAMPLE = 200  # bare calls, whose cost does not depend on their number
HEADINGS = (
    "Invoices", "Seconds", "Bound", "× bound", "× bare calls", "Loop ÷ job",
    "Calls each", "Queries each", "Peak MiB",
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Charge as many invoices of one firm as each size says."""
    figures = [_charge(kind, size) for size in sizes]
    title = f"{kind}, process_recurring_charges, {LATENCY * 1000:.0f} ms an answer"
    console.print(drawn(title, HEADINGS, map(_row, figures)))
    return figures


def _charge(kind: str, size: int) -> Figures:
    with database(kind) as url, tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world.json"
        phase(url, "charges.world", size, str(world))
        with sandbox(world, latency=LATENCY) as vendors:
            at = partial(phase, url, vendors=vendors.url)
            ran, calls = counted(vendors, partial(at, "charges.job"))
            _judge(vendors, ran, size)
            sample, at_once = min(SAMPLE, size), ran["at_once"]
            bare = at("charges.bare", sample, at_once)
            loop = at("charges.bare", sample, 1)
    return {
        "database": kind,
        "invoices": size,
        **ran,
        "calls": calls,
        "bound_seconds": size * LATENCY / at_once,
        "bare_seconds": bare["seconds"] / sample * size,
        "loop_seconds": loop["seconds"] / sample * size,
    }


def _judge(vendors: SandboxProcess, ran: Figures, size: int) -> None:
    """Refuse the figures unless every invoice was charged once, and both sides say so."""
    times = Counter(effect["metadata"]["invoice"] for effect in vendors.ask("effects"))
    again = sum(1 for charged in times.values() if charged > 1)
    if (len(times), again, ran["paid"]) != (size, 0, size):
        raise SystemExit(
            f"{size} due, {len(times)} charged, {again} more than once, {ran['paid']} paid"
        )


def _row(row: Figures) -> tuple[str, ...]:
    seconds, size = row["seconds"], row["invoices"]
    return (
        f"{size:,}",
        f"{seconds:.1f}",
        f"{row['bound_seconds']:.1f}",
        f"{seconds / row['bound_seconds']:.1f}",
        f"{seconds / row['bare_seconds']:.1f}",
        f"{row['loop_seconds'] / seconds:.1f}",
        f"{row['calls'] / size:.3f}",
        f"{row['queries'] / size:.1f}",
        f"{row['peak_mib']:.0f}",
    )
