"""Ended tasks of Django-Q2 for the clean-up job to delete."""

from datetime import UTC, datetime

from django_q.models import Task


def make_tasks(
    count: int,
    *,
    ended: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    success: bool = True,
    tag: str = "a",
) -> list[Task]:
    """Make tasks that ended then, their keys in order."""
    return Task.objects.bulk_create(
        [
            Task(
                id=f"{tag}{number:031x}",
                name=f"task {number}",
                func="apps.jobs.services.close_lost_runs",
                started=ended,
                stopped=ended,
                success=success,
            )
            for number in range(count)
        ],
        batch_size=5000,
    )
