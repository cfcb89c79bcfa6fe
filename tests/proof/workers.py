"""Workers, from the harness's side: what one is to do, where it dies, and how it ended."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.sandbox import ROOT, _end_with_parent

GATEWAY_TIMEOUT = 0.8  # seconds; a time-out costs the proof as much


@dataclass
class Order:
    """A delivery of a job to a worker, or to two at once."""

    job: str
    now: float  # the time that the worker lives in, in seconds since 1970
    how: str = "task"  # by Django-Q2's own worker; command: manage.py; service: bare
    arguments: dict[str, Any] = field(default_factory=dict)
    task: str = ""  # the queue's id of the delivery
    point: str = ""  # where the first worker dies
    nth: int = 1  # of how many times that it comes by there
    workers: int = 1
    plant: str = ""  # a bug, by its name in plants.py

    @property
    def summary(self) -> str:
        dies = f", the first dies {self.point} ({self.nth})" if self.point else ""
        return f"{self.job} as {self.how} by {self.workers}{dies}:"


@dataclass
class Ending:
    """How the workers of an order ended: the signals that killed them, else exit codes."""

    statuses: list[int]

    def __str__(self) -> str:
        return ", ".join("killed" if s == -signal.SIGKILL else "ended" for s in self.statuses)

    @property
    def kills(self) -> int:
        return self.statuses.count(-signal.SIGKILL)

    @property
    def broken(self) -> bool:
        """Whether one ended as nobody had ordered."""
        return any(status not in {0, -signal.SIGKILL} for status in self.statuses)


class Workers:
    """A process that has loaded everything once and forks a worker for each delivery."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.proof.zygote"],
                cwd=ROOT,
                env={
                    **environment,
                    "CHARGES_AT_ONCE": "3",
                    "GATEWAY_TIMEOUT": str(GATEWAY_TIMEOUT),
                    "LOG_LEVEL": "CRITICAL",
                    "CLUSTER_LOG_LEVEL": "CRITICAL",
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
            )
        assert self._read() == "ready"

    def carry_out(self, order: Order) -> Ending:
        """Deliver a job and wait until its workers have ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        ending = Ending(self._read())
        if ending.broken:
            pytest.fail(f"{order} ended with {ending.statuses}:\n{self._last_words()}")
        return ending

    def close(self) -> None:
        """Let no more orders come, and wait for the end of the process."""
        with self._process:
            pass

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            pytest.fail(f"The workers' process has died:\n{self._last_words()}")
        return json.loads(line)

    def _last_words(self) -> str:
        return self._log.read_text()[-4000:]
