"""What happens around a task in the cluster's workers.

Django-Q2 sends its signals outside its own ``try``: a receiver that raises kills the worker.
So each receiver catches everything, and does one short thing.
"""

import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from django_q.models import Schedule
from django_q.signals import post_execute_in_worker, pre_execute

from apps.core.problems import BadOption, Problem
from apps.core.reports import Report
from apps.core.watching import Stop, Watcher, watched_by
from apps.jobs import job as declared
from apps.jobs import queue
from apps.jobs.guard import GUARDED, STOP_BETWEEN_ITEMS
from apps.jobs.models import JobRun
from apps.jobs.recording import Recorder, close_run, open_run

logger = logging.getLogger(__name__)

OFF_THE_RECORD = "The run could not be put on the record, so nothing was done; see the log."


class Refusal(Watcher):
    """Keeps a job from doing anything off the record."""

    def opened(self, report: Report) -> None:
        raise Stop(OFF_THE_RECORD)


@dataclass
class Delivery:
    """A task in this worker's hands. Without a recorder it must not do anything."""

    recorder: Recorder | None = None
    watching: ExitStack = field(default_factory=ExitStack)


# The tasks this worker is executing: one, or none.
_current: dict[str, Delivery] = {}
_stop_asked = threading.Event()


def connect() -> None:
    """Listen to Django-Q2's workers, and in a guarded cluster to its guard."""
    pre_execute.connect(begin, dispatch_uid="apps.jobs.worker.begin")
    post_execute_in_worker.connect(end, dispatch_uid="apps.jobs.worker.end")
    if os.environ.get(GUARDED) and threading.current_thread() is threading.main_thread():
        # Inherited by every process of the cluster: the guard asks them all at once.
        signal.signal(STOP_BETWEEN_ITEMS, stop_between_items)


def stop_between_items(signum: int, frame: FrameType | None) -> None:
    """End the run in hand after its current item, and any that comes before it begins."""
    _stop_asked.set()
    for delivery in _current.values():
        if delivery.recorder:
            delivery.recorder.stop_asked = True


def begin(func: Any, task: dict[str, Any], **_: Any) -> None:
    """Open a run for a task that is a declared job."""
    try:
        queue.show_life()
    except Exception:
        logger.exception("The guard could not be shown a sign of life")
    delivery = _current[task["id"]] = Delivery()
    try:
        job = declared.of_function(func)
        if job is None:
            del _current[task["id"]]
            _note_stranger(func, task)
            return
        delivery.recorder = _recorder(job, task)
        delivery.recorder.stop_asked = _stop_asked.is_set()
        delivery.watching.enter_context(watched_by(delivery.recorder))
    except Exception:
        logger.exception("A run of task %s could not be opened", task.get("id"))
        delivery.watching.enter_context(watched_by(Refusal()))


def end(task: dict[str, Any], **_: Any) -> None:
    """Close the run, and replace the task's result with a sentence that is safe to keep.

    The worker sends the task on to Django-Q2's ledger after this. A ``Report`` would be
    pickled there, and a traceback may quote customers' data; busy, duplicate and cancelled
    runs are no failures.
    """
    delivery = _current.pop(task["id"], None)
    if delivery is None:
        return
    success, result = task.get("success", False), str(task.get("result", ""))
    try:
        delivery.watching.close()
        if delivery.recorder is None:
            task["result"], task["success"] = OFF_THE_RECORD, False
            return
        # With sync=True a failing task has no result yet: its error is being handled now.
        error = sys.exc_info()[1] or (None if success else failure_of(result))
        run = close_run(delivery.recorder, error)
        if not success and run.state == JobRun.State.CRASHED:
            with watched_by(delivery.recorder):
                logger.error("%s\n%s", run, result)
            delivery.recorder.keep_log()
        task["result"] = run.problem or f"{run.done} done, {run.skipped} skipped"
        task["success"] = run.state not in {
            JobRun.State.FAILED,
            JobRun.State.PARTIAL,
            JobRun.State.CRASHED,
            JobRun.State.BLOCKED,
            JobRun.State.INTERRUPTED,
        }
    except Exception:
        logger.exception("The run of task %s could not be closed", task.get("id"))
        task["result"] = "The run could not be closed; see the log."


def failure_of(result: str) -> BaseException:
    """Rebuild the kind of error from Django-Q2's text: ``message : traceback``.

    Only what people may read is kept of the message, and only its first line.
    """
    block = result.rpartition("Traceback (most recent call last):\n")[2]
    lines = (line for line in block.splitlines() if line and not line[0].isspace())
    kind, _, text = next(lines, "").partition(": ")
    module, _, name = kind.rpartition(".")
    error = getattr(sys.modules.get(module or "builtins"), name, None)
    if isinstance(error, type):
        if issubclass(error, BadOption):
            return BadOption(text)
        if issubclass(error, Problem):
            return Problem(text)
        if issubclass(error, (SystemExit, KeyboardInterrupt)):
            return SystemExit(text)
    return Problem(f"{name or 'Error'}; see the log.")


def _recorder(job: declared.Job, task: dict[str, Any]) -> Recorder:
    schedule = Schedule.objects.filter(task=task["id"]).first()
    name = (schedule.name or str(schedule.pk)) if schedule else ""
    source = JobRun.Source.SCHEDULE if schedule else JobRun.Source.QUEUE
    return open_run(job, task["kwargs"], source=source, task=task, schedule_name=name)


def _note_stranger(func: Any, task: dict[str, Any]) -> None:
    """Shout about work that is no declared job: whoever may add a task can run anything."""
    if getattr(func, "__module__", "") != queue.__name__:
        logger.critical("Task %s runs %s, which is no declared job", task["id"], task["func"])
