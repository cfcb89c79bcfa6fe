"""A queue with a past: finished tasks of different ages, and some that wait (spec E3.4)."""

from datetime import timedelta

from django_q.models import OrmQ, Task
from django_q.tasks import async_task

from apps.core.demo import World

GROUP = "demo"


def seed(world: World) -> None:
    """Make the finished tasks and the queued packages."""
    entries = world.fixture("jobs")
    tasks = []
    for number, entry in enumerate(entries["finished"]):
        stopped = world.clock.now - timedelta(days=entry["days_ago"])
        tasks.append(
            Task(
                id=f"{GROUP}{number:028d}",
                name=f"{GROUP}-{number}",
                func=entry["func"],
                group=GROUP,
                args=(),
                kwargs={},
                started=stopped - timedelta(seconds=2),
                stopped=stopped,
                success=entry["success"],
                result=entry["result"],
                attempt_count=1,
            )
        )
    Task.objects.bulk_create(tasks)
    for func in entries["queued"]:
        async_task(func, group=GROUP)
    world.count("finished tasks", len(tasks))
    world.count("queued tasks", len(entries["queued"]))


def clear() -> None:
    """Remove the demo tasks, finished and waiting."""
    finished = Task.objects.filter(group=GROUP)
    finished._raw_delete(finished.db)
    for package in OrmQ.objects.all():
        if package.group() == GROUP:
            package.delete()
