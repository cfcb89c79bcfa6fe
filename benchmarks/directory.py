"""sync_ad beside a bare paged search for the same attributes of the same people.

With Samba as the domain controller where there is one, else with the sandbox's stand-in: the
first run, which makes everybody, and a second one, which reads everybody and finds nothing to
do.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase
from project.demo.processes import free_port
from tests.servers import samba
from tests.servers.sandbox import SandboxProcess

SIZES: Sizes = dict.fromkeys(DATABASES, (1_000, 10_000))
HOST, BASE = "dc1.directory.example", "DC=directory,DC=example"
USER, PASSWORD = "reader@directory.example", "password"
HEADINGS = (
    "People", "Search alone", "First run", "× search", "Second run", "× search", "Statements",
    "Peak MiB",
)  # fmt: skip

Place = Mapping[str, Any]


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Import as many people as each size says, twice."""
    figures = [_import(kind, size) for size in sizes]
    title = f"{kind}, sync_ad, {figures[0]['server']}"
    console.print(drawn(title, HEADINGS, map(_row, figures)))
    return figures


def _import(kind: str, size: int) -> Figures:
    with _directory(size) as (server, place), database(kind) as url:
        phase(url, "directory.world", place)
        searched = [phase(url, "directory.floor", place)]
        first = phase(url, "directory.job")
        searched.append(phase(url, "directory.floor", place))
        second = phase(url, "directory.job")
        searched.append(phase(url, "directory.floor", place))
    if (first["created"], second["unchanged"], searched[0]["people"]) != (size, size, size):
        raise SystemExit(f"{size} people: {first}, {second}, {searched[0]}")
    return {
        "database": kind,
        "server": server,
        "people": size,
        "first": first,
        "second": second,
        # The best of three, for what else the machine did must not make the job look good.
        "search_seconds": min(one["seconds"] for one in searched),
    }


def _row(row: Figures) -> tuple[str, ...]:
    search, first, second = row["search_seconds"], row["first"], row["second"]
    return (
        f"{row['people']:,}",
        f"{search:.2f}",
        f"{first['seconds']:.2f}",
        f"{first['seconds'] / search:.1f}",
        f"{second['seconds']:.2f}",
        f"{second['seconds'] / search:.1f}",
        f"{first['queries']:,}",
        f"{first['peak_mib']:.0f}",
    )


# ---- the directory --------------------------------------------------------------------------


@contextmanager
def _directory(size: int) -> Iterator[tuple[str, Place]]:
    """Fill a directory, and let the phases find it."""
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        ours = _stand_in if samba.missing() else _samba
        with ours(Path(folder), size) as (server, place, reached, ca):
            before = dict(os.environ)
            os.environ |= {
                "DIRECTORY_HOSTS": f"{place['servers']}={reached}",
                "DIRECTORY_CA": str(ca),
            }
            try:
                yield server, place
            finally:
                os.environ.clear()
                os.environ |= before


Opened = tuple[str, Place, str, Path]


@contextmanager
def _samba(folder: Path, size: int) -> Iterator[Opened]:
    with samba.controller(samba.provision(folder)) as there:
        there.open_unit()
        for number in range(size):
            there.add_person(**_person(number))
        place = _place(there.host, there.user, there.password, there.unit)
        yield "Samba", place, there.address("ldaps"), there.ca


@contextmanager
def _stand_in(folder: Path, size: int) -> Iterator[Opened]:
    world, ca, port = folder / "world.json", folder / "ca.pem", free_port(12636)
    people = [_person(number) for number in range(size)]
    told = {"directory": {"accounts": {USER: PASSWORD}, "people": people}}
    world.write_text(json.dumps(told))
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--world", str(world)]
    command += ["--directory-port", str(port), "--directory-ca", str(ca)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            SandboxProcess(process, world)  # waits until it is ready
            place = _place(HOST, USER, PASSWORD, BASE)
            yield "the stand-in", place, f"127.0.0.1:{port}", ca
        finally:
            process.terminate()


def _person(number: int) -> dict[str, str]:
    name = f"p{number:06d}"
    return {
        "account": name,
        "givenName": f"Given {number}",
        "sn": f"Family {number}",
        "mail": f"{name}@corp.example",
        "title": "Consultant",
    }


def _place(host: str, user: str, password: str, base: str) -> Place:
    return {"servers": host, "bind_user": user, "password": password, "base_dn": base}
