"""What the record of runs and Django-Q2's tables hold about people."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django_q.models import OrmQ, Schedule, Task

from apps.core.batches import by_key
from apps.core.personal import Found, Holding, read_signed, read_text
from apps.jobs.models import ClusterSign, JobPause, JobRun, JobRunItem, JobRunLog, RunLock

_PICKLED = ("args", "kwargs", "result")


def _tasks_speaking_of(found: Found) -> Iterator[str]:
    """Yield the keys of ended tasks in whose name, arguments or result somebody is found."""
    # As the database has them: the fields themselves would load the pickles.
    raw = {f"raw_{name}": Cast(name, TextField()) for name in _PICKLED}
    for task in by_key(Task.objects.only("name", "group").annotate(**raw)):
        pickles = (getattr(task, name) or "" for name in raw)
        texts = [task.name, task.group or "", *map(_read_pickle, pickles)]
        if any(map(found, texts)):
            yield task.pk


def _read_pickle(column: str) -> str:
    try:
        return read_text(b64decode(column))
    except ValueError:  # no base64: somebody else wrote it
        return column


def _packages_speaking_of(found: Found) -> Iterator[int]:
    """Yield the keys of queued packages in whose task somebody is found."""
    for package in by_key(OrmQ.objects.only("payload")):
        if found(read_signed(package.payload)):
            yield package.pk


def _delete_tasks(tasks: QuerySet[Any]) -> int:
    """Delete past the collector: it would load every row, pickles included."""
    return int(tasks._raw_delete(tasks.db))


HOLDINGS = (
    Holding(
        JobRunItem,
        told=("subject_label", "action", "detail"),
        plain=("subject_kind", "subject_key", "subject_part", "reason", "currency"),
    ),
    Holding(
        JobRun,
        firm="",
        authors=("started_by", "cancel_requested_by", "acknowledged_by"),
        told=("arguments", "schedule_name", "summary", "problem", "acknowledgement"),
        plain=("job", "task_id", "worker", "money"),
    ),
    Holding(JobRunLog, firm="", told=("text",)),
    Holding(
        JobPause,
        firm="",
        authors=("paused_by", "resumed_by"),
        told=("reason",),
        plain=("job",),
    ),
    Holding(RunLock, firm="", plain=("job", "scope")),
    Holding(ClusterSign, firm="", plain=("cluster",)),
    # ---- Django-Q2's --------------------------------------------------------------------
    Holding(
        Task,
        firm="",
        told=("name", "group", *_PICKLED),
        plain=("id", "func", "hook", "cluster"),
        search=_tasks_speaking_of,
        erase=_delete_tasks,
    ),
    Holding(
        OrmQ,
        firm="",
        told=("payload",),
        plain=("key",),
        search=_packages_speaking_of,
    ),
    Holding(
        Schedule,
        firm="",
        told=("name", "args", "kwargs"),
        plain=("func", "hook", "cron", "task", "cluster", "intended_date_kwarg"),
    ),
)
