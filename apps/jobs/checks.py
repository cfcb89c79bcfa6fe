"""System checks over the schedules in the database."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections, router
from django_q.models import Schedule

from apps.core import batches
from apps.jobs.schedules import broken_rules


@register(Tags.database)
def check_schedules(*, databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """Report rows that Django-Q2 or the job would misread: ``check --database default``."""
    alias = router.db_for_read(Schedule)
    # `migrate` runs these checks too, and may be about to repair the very rows.
    if alias not in (databases or ()) or sys.argv[1:2] == ["migrate"]:
        return []
    if Schedule._meta.db_table not in connections[alias].introspection.table_names():
        return []
    return [
        Error(
            f"Schedule {schedule.pk} ({schedule.name or schedule.func}), {field}: {text}",
            hint="Correct or delete it in the admin, under Scheduled tasks.",
            id="jobs.E001",
        )
        for schedule in batches.by_key(Schedule.objects.all())
        for field, text in broken_rules(schedule).items()
    ]
