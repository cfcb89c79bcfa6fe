"""Real clusters, each in processes of its own, on the database of the test that starts them.

    def test_something(file_database: FileDatabase) -> None:
        LeaseFactory()                          # rows as in any other test, really committed
        async_task("apps.leasing.services.generate_monthly_invoices", property=3)
        with running_cluster(file_database) as cluster:
            run = wait_for(lambda: JobRun.objects.filter(state="done").first())

Everything waits with a deadline, and what is left of a cluster is killed as a group.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psutil
import psycopg2
import pytest
from django.db import connection, transaction
from django.db.models import Model

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
STARTING_SECONDS = 60
STOPPING_SECONDS = 60


@dataclass(frozen=True)
class FileDatabase:
    """The test's own database, and what another process needs to open it."""

    environment: Mapping[str, str]

    def manage(self, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py in a process of its own and return what it said."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


@dataclass
class Cluster:
    """A cluster that is running, possibly under its guard."""

    process: "subprocess.Popen[bytes]"
    output: Path

    @property
    def log(self) -> str:
        """All it has said so far."""
        return self.output.read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers that live now."""
        born = [int(pid) for pid in re.findall(r"ready for work at (\d+)", self.log)]
        return [pid for pid in born if lives(pid)]

    def pid_of(self, role: str) -> int:
        """The process id of a worker, the monitor, the pusher, the sentinel or the main one."""
        sentinel = psutil.Process(self.workers[0]).parent()
        assert sentinel is not None
        if role == "sentinel":
            return sentinel.pid
        if role == "main":
            return sentinel.ppid()
        said = {"worker": "ready for work", "monitor": "monitoring", "pusher": "pushing tasks"}
        pids = re.findall(rf"{said[role]} at (\d+)", self.log)
        return next(int(pid) for pid in reversed(pids) if lives(int(pid)))

    @property
    def starts(self) -> int:
        """How often the cluster was started."""
        return len(re.findall(r"Q Cluster \S+ \[\S+\] running", self.log))

    def wait_until_running(self, *, starts: int = 1, seconds: float = STARTING_SECONDS) -> None:
        """Wait until it has been up so many times."""
        wait_for(lambda: self.starts >= starts, seconds=seconds, about=lambda: self.log)

    def says(self, text: str, *, seconds: float = 30) -> None:
        """Wait until it has said this."""
        wait_for(lambda: text in self.log, seconds=seconds, about=lambda: self.log)

    def stop(self, *, seconds: float = STOPPING_SECONDS) -> int:
        """Stop it as a supervisor does and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)


def lives(pid: int) -> bool:
    """Whether a process is there and no mere zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pids: Sequence[int], *, seconds: float = 30) -> None:
    """Wait for processes to end."""
    wait_for(lambda: not any(map(lives, pids)), seconds=seconds, about=lambda: pids)


def wait_for(
    what: Callable[[], T],
    *,
    seconds: float = 30,
    every: float = 0.05,
    about: Callable[[], object] = lambda: "",
) -> T:
    """Return the first true answer; fail when there is none within the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := what():
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"Nothing happened within {seconds} s. {about()}")
        time.sleep(every)


@contextmanager
def running_cluster(
    database: FileDatabase, *command: str, **environment: str
) -> Iterator[Cluster]:
    """Run ``qcluster``, or another command that runs one (``guard_cluster``), until the end.

    ``environment`` adds to or overrides the variables it is started with.
    """
    with tempfile.TemporaryDirectory(prefix="nightshift-cluster-") as folder:
        output = Path(folder) / "log"
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", *(command or ("qcluster",))],
                cwd=ROOT,
                env={**database.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        cluster = Cluster(process, output)
        try:
            cluster.wait_until_running()
            yield cluster
            if process.poll() is None:
                cluster.stop()
        finally:
            _kill(cluster)


def _kill(cluster: Cluster) -> None:
    """End all of it; under a guard the cluster has a process group of its own."""
    guarded = re.findall(r"Guarding the cluster with process id (\d+)", cluster.log)
    for group in (cluster.process.pid, *map(int, guarded)):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    cluster.process.wait()


class RowLock:
    """A row that another connection holds: whoever wants to change it waits."""

    def __init__(self, connection: Any, row: Model) -> None:
        self._connection = connection
        table, key = row._meta.db_table, row._meta.pk.column
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT 1 FROM "{table}" WHERE "{key}" = %s FOR UPDATE', [row.pk])

    def release(self) -> None:
        """Let whoever waits go on."""
        self._connection.rollback()


@contextmanager
def row_locked(database: FileDatabase, row: Model) -> Iterator[RowLock]:
    """Hold a row, so that a run comes to a halt in the middle (PostgreSQL only)."""
    with closing(psycopg2.connect(database.environment["DATABASE_URL"])) as other:
        yield RowLock(other, row)


@contextmanager
def writing_held(table: str) -> Iterator[None]:
    """Let nobody else write: to a table on PostgreSQL, to the whole database on SQLite.

    Whoever is in the middle of a run stays there meanwhile.
    """
    with transaction.atomic():  # IMMEDIATE on SQLite
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f'LOCK TABLE "{table}" IN SHARE MODE')
        yield


@pytest.fixture
def file_database(transactional_db: None) -> FileDatabase:
    """The test database with real commits, which other processes can open."""
    return FileDatabase(
        {
            **os.environ,
            "DATABASE_URL": _url(),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "CLUSTER_POLL": "0.05",
            "CLUSTER_WORKERS": "2",
            "PYTHONUNBUFFERED": "1",
        }
    )


def _url() -> str:
    given = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{given['NAME']}"
    user, password = quote(given["USER"], safe=""), quote(given["PASSWORD"], safe="")
    return f"postgres://{user}:{password}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
