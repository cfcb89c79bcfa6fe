"""reconcile_s3 over a firm whose files are in a bucket.

One file of a thousand is not there, and every one of those must be found. Beside it, on the
same bucket: reading the list with Amazon's library and nothing else.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from rich.console import Console

from benchmarks.stage import DATABASES, Figures, Sizes, database, drawn, phase
from tests.servers.s3 import KEY, SECRET, S3Server

SIZES: Sizes = dict.fromkeys(DATABASES, (2_000, 20_000))
HEADINGS = (
    "Files", "Seconds", "List alone", "× list", "Pages", "Looks", "Queries", "Found", "Peak MiB"
)  # fmt: skip


def measure(kind: str, sizes: Sequence[int], console: Console) -> list[Figures]:
    """Reconcile as many files as each size says."""
    figures = [_reconcile(kind, size) for size in sizes]
    console.print(drawn(f"{kind}, reconcile_s3", HEADINGS, map(_row, figures)))
    return figures


def _reconcile(kind: str, size: int) -> Figures:
    with database(kind) as url, _bucket() as (server, bucket):
        world = phase(url, "files.world", size)
        server.fill(bucket, (key for key in world["keys"]), b"%PDF-1.7\n")
        server.requests.clear()
        ran = phase(url, "files.job")
        asked = [request.split()[0] for request in server.requests]
        listed = phase(url, "files.listed")
    missing = world["missing"]
    if (ran["found"], ran["others"], listed["objects"]) != (missing, 0, size - missing):
        raise SystemExit(f"{missing} of {size} are missing: {ran}, {listed}")
    return {
        "database": kind,
        "files": size,
        **ran,
        "pages": asked.count("GET"),
        "looks": asked.count("HEAD"),
        "list_seconds": listed["seconds"],
    }


@contextmanager
def _bucket() -> Iterator[tuple[S3Server, str]]:
    """Let phases find an empty bucket where STORAGE_URL says."""
    server, before = S3Server(), os.environ.get("STORAGE_URL")
    bucket = server.make_bucket()
    credentials = f"{KEY}:{quote(SECRET, safe='')}"
    os.environ["STORAGE_URL"] = f"s3://{credentials}@{server.host}/{bucket}?tls=off"
    try:
        yield server, bucket
    finally:
        del os.environ["STORAGE_URL"]
        if before is not None:
            os.environ["STORAGE_URL"] = before
        server.stop()


def _row(row: Figures) -> tuple[str, ...]:
    return (
        f"{row['files']:,}",
        f"{row['seconds']:.2f}",
        f"{row['list_seconds']:.2f}",
        f"{row['seconds'] / row['list_seconds']:.2f}",
        f"{row['pages']:,}",
        f"{row['looks']:,}",
        f"{row['queries']:,}",
        f"{row['found']:,}",
        f"{row['peak_mib']:.0f}",
    )
