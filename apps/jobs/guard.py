"""The guard: starts a cluster, notices when it is dead or stuck, and starts it again.

Django-Q2 looks after its processes from inside. When a worker is killed while it holds the
queue's lock, the cluster lives on and does nothing, for ever. So the guard stands outside:
it never touches the work, only processes (``manage.py guard_cluster``).

Settings name ``DeathHandler`` as a log handler, before any app is loaded: models are out of
bounds here.
"""

import ctypes
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import TYPE_CHECKING, TypeVar

from django import db
from django.utils.translation import gettext

if TYPE_CHECKING:
    from apps.jobs.queue import Pulse

logger = logging.getLogger(__name__)

T = TypeVar("T")

GUARDED = "NIGHTSHIFT_GUARDED"  # in a guarded cluster's environment: its guard's name
STOP_BETWEEN_ITEMS = signal.SIGUSR1  # asks the workers' runs; see apps.jobs.worker

TICK = 0.2  # seconds between looks at the process
SETTLED = 60.0  # seconds a cluster must live before its next death counts as a first one
LONGEST_DELAY = 60.0  # seconds between two starts, at most
WINDING_DOWN = 10.0  # seconds for the runs of a stuck cluster to stop between items

_DEATHS = (  # Django-Q2's words, before translation
    "reincarnated worker %(name)s after death",
    "reincarnated monitor %(name)s after sudden death",
    "reincarnated pusher %(name)s after sudden death",
)


class DeathHandler(logging.Handler):
    """Ends the whole cluster when Django-Q2 says that one of its processes was killed.

    The dead process may have held a lock of the queues, and then its replacement waits for
    ever. Only in a cluster that a guard started, in a session of its own.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.CRITICAL or not os.environ.get(GUARDED):
            return
        if tells_of_a_death(record.getMessage()) and os.getpgrp() == os.getsid(0):
            logger.critical("A process of the cluster was killed; its guard starts it anew")
            os.killpg(os.getpgrp(), signal.SIGKILL)


def tells_of_a_death(message: str) -> bool:
    """Tell whether a log line of Django-Q2, in whatever language, reports a killed process."""
    for template in _DEATHS:
        for wording in (template, gettext(template)):
            pattern = re.escape(wording).replace(re.escape("%(name)s"), ".+")
            if re.fullmatch(pattern, message):
                return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the guard waits for what, in seconds."""

    grace: float = 60  # for a stop: half for runs to end, half for them to stop between items
    stuck_after: float = 120  # for due work to be started while a worker is free
    canary_after: float = 60  # without a sign of life before a canary is sent
    look_every: float = 5  # between two looks at the queue
    restart_after: float = 1  # before the first restart; doubled for each early death


class Watch:
    """Judges from the outside whether a cluster is stuck: work waits, and nothing starts."""

    def __init__(self, pulse: "Pulse", group: int, patience: Patience) -> None:
        self.pulse, self.group, self.patience = pulse, group, patience
        self._sign: datetime | None = None
        self._quiet_since = self._idle_until = time.monotonic()
        self._canary_sent = 0.0

    def is_stuck(self) -> bool:
        """Look at the queue once, and send a canary when there is nothing else to see."""
        now = time.monotonic()
        sign = self.pulse.last_sign()
        if sign != self._sign or self.pulse.free_workers(self.group) <= 0:
            self._sign, self._quiet_since = sign, now
        if self.pulse.work_waits():
            waited = now - max(self._quiet_since, self._idle_until)
            return waited >= self.patience.stuck_after
        self._idle_until = now
        if now - max(self._quiet_since, self._canary_sent) >= self.patience.canary_after:
            self.pulse.send_canary()
            self._canary_sent = now
        return False

    def knows_nothing(self) -> None:
        """Start waiting anew: while the database was away the cluster could not work."""
        self._quiet_since = self._idle_until = time.monotonic()


class Guard:
    """Keeps one cluster running until it is asked to stop."""

    def __init__(
        self, command: Sequence[str], *, name: str, pulse: "Pulse", patience: Patience
    ) -> None:
        self.command, self.name, self.pulse, self.patience = command, name, pulse, patience
        self._asked = 0  # signals received

    def run(self) -> bool:
        """Guard until SIGTERM or SIGINT; False when the cluster had to be killed then.

        A second signal kills at once.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)
        early_deaths = 0
        while not self._asked:
            started = time.monotonic()
            cluster = self._started()
            try:
                trouble = self._watch(cluster)
                if not trouble:
                    return self._stop(cluster)
            finally:
                self._kill(cluster)
            settled = time.monotonic() - started >= SETTLED
            early_deaths = 0 if settled else early_deaths + 1
            delay = self.patience.restart_after * 2 ** max(0, early_deaths - 1)
            delay = min(LONGEST_DELAY, delay)
            logger.critical("The cluster %s; starting it anew in %.1f s", trouble, delay)
            self._wait(delay)
        return True

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._asked:
            time.sleep(TICK)

    def _started(self) -> "subprocess.Popen[bytes]":
        self._ask_database(self.pulse.begins)
        db.connections.close_all()
        cluster = subprocess.Popen(
            self.command,
            env={**os.environ, GUARDED: self.name},
            start_new_session=True,  # the terminal's Ctrl-C is for the guard alone
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - the guard has no threads
        )
        logger.info("Guarding the cluster with process id %d", cluster.pid)
        return cluster

    def _watch(self, cluster: "subprocess.Popen[bytes]") -> str:
        """Return what is wrong with the cluster, or nothing when the guard shall stop."""
        watch = Watch(self.pulse, cluster.pid, self.patience)
        looked = time.monotonic()
        while not self._asked:
            if cluster.poll() is not None:
                return f"ended with status {cluster.returncode}"
            if time.monotonic() - looked >= self.patience.look_every:
                stuck = self._ask_database(watch.is_stuck)
                if stuck:
                    self._wind_down(cluster)
                    return "is stuck: work waits, workers are free, and nothing starts"
                if stuck is None:
                    watch.knows_nothing()
                looked = time.monotonic()
            time.sleep(TICK)
        return ""

    def _wind_down(self, cluster: "subprocess.Popen[bytes]") -> None:
        _signal_group(cluster.pid, STOP_BETWEEN_ITEMS)
        end = time.monotonic() + WINDING_DOWN

        def still_at_work() -> bool:
            return self.pulse.runs_in_hand(cluster.pid) > 0

        while time.monotonic() < end and self._ask_database(still_at_work):
            time.sleep(TICK)

    def _stop(self, cluster: "subprocess.Popen[bytes]") -> bool:
        # To the main process only: a signal to the whole group kills running tasks, and
        # then the main process waits for ever.
        logger.info("Stopping the cluster")
        cluster.send_signal(signal.SIGTERM)
        half = self.patience.grace / 2
        ended = self._ends_within(cluster, half)
        if not ended:
            _signal_group(cluster.pid, STOP_BETWEEN_ITEMS)
            ended = self._ends_within(cluster, half)
        if not ended:
            logger.critical("The cluster did not stop in time; killing it")
        self._ask_database(self.pulse.ends)
        return ended

    def _ends_within(self, cluster: "subprocess.Popen[bytes]", seconds: float) -> bool:
        end = time.monotonic() + seconds
        while cluster.poll() is None:
            if time.monotonic() >= end or self._asked > 1:
                return False
            time.sleep(TICK)
        return True

    def _kill(self, cluster: "subprocess.Popen[bytes]") -> None:
        """End every process of the cluster, also orphans that go on working."""
        _signal_group(cluster.pid, signal.SIGKILL)
        cluster.wait()

    def _ask_database(self, question: Callable[[], T]) -> T | None:
        try:
            db.close_old_connections()
            return question()
        except db.Error as error:
            logger.warning("The guard cannot ask the database: %s", type(error).__name__)
            db.connections.close_all()
            return None


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_with_parent() -> None:
    """Have the kernel stop the cluster when its guard is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
