"""The words about jobs that are closed, or about to be, because nothing happens (spec D30)."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from apps.core.days import write_day
from apps.fieldwork.messages.letters import Points, letter
from apps.fieldwork.messages.sections import counted
from apps.fieldwork.models import WorkOrder
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def _auto_closed(notifications: Sequence[Notification]) -> Words:
    jobs = _jobs(notifications)
    closing = f"If there is still something to do, please tell {jobs[0]['firm']}."
    if len(jobs) > 1:
        return letter(
            f"{len(jobs)} jobs were closed because of inactivity",
            "These jobs were closed automatically, because nothing happened on them:",
            Points([f"{_named(one)} ({counted(one['days'], 'day')} inactive)" for one in jobs]),
            closing,
        )
    [job] = jobs
    after = f"after {counted(job['days'], 'day')} of inactivity"
    opening = f"{_named(job)} was closed automatically {after}."
    return letter(f"{job['number']} was closed {after}", opening, closing)


def _closes_soon(notifications: Sequence[Notification]) -> Words:
    jobs = _jobs(notifications)
    closing = "A note, a file or another due date is enough to keep a job open."
    if len(jobs) > 1:
        return letter(
            f"{len(jobs)} jobs will be closed soon",
            "Nothing happens on these jobs, and they will be closed automatically:",
            Points([f"{_named(one)} (after {_closing_day(one)})" for one in jobs]),
            closing,
        )
    [job] = jobs
    return letter(
        f"{job['number']} will be closed soon",
        f"Nothing has happened on {_named(job)} for {counted(job['days'], 'day')}. "
        f"It will be closed automatically after {_closing_day(job)}.",
        closing,
    )


def _jobs(notifications: Sequence[Notification]) -> list[dict[str, Any]]:
    return sorted((one.context for one in notifications), key=lambda job: job["number"])


def _named(job: Mapping[str, Any]) -> str:
    return f"{job['number']}: {job['title']}"


def _closing_day(job: Mapping[str, Any]) -> str:
    return write_day(date.fromisoformat(job["closes_on"]))


def _reopened(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: somebody has opened the job again since."""
    orders = WorkOrder.objects.filter(pk__in=[one.subject_id for one in notifications])
    cancelled = orders.filter(status=WorkOrder.Status.CANCELLED)
    closed = {str(pk) for pk in cancelled.values_list("pk", flat=True)}
    return {one.pk: "reopened" for one in notifications if one.subject_id not in closed}


def _moving(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which are old: something has happened on the job since, or it is closed."""
    open_ = WorkOrder.objects.open().filter(pk__in=[one.subject_id for one in notifications])
    open_ = open_.filter(do_not_auto_close=False)
    quiet_since = {
        str(pk): at.isoformat() for pk, at in open_.values_list("pk", "last_activity_at")
    }
    return {
        one.pk: "activity meanwhile"
        for one in notifications
        if quiet_since.get(one.subject_id) != one.context["quiet_since"]
    }


JOB_AUTO_CLOSED = NotificationType(
    "job_auto_closed",
    Category.TRANSACTIONAL,
    _auto_closed,
    digestable=True,
    still_wanted=_reopened,
)
JOB_CLOSES_SOON = NotificationType(
    "job_closes_soon",
    Category.TRANSACTIONAL,
    _closes_soon,
    digestable=True,
    still_wanted=_moving,
)

TYPES: tuple[NotificationType, ...] = (JOB_AUTO_CLOSED, JOB_CLOSES_SOON)
