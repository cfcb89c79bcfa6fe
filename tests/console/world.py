"""What the console's tests look at: two firms, jobs of the tests' own, and their runs."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import Schedule

from apps.console.models import Grant
from apps.firms.models import Firm, User
from apps.jobs.job import find
from apps.jobs.models import JobRun, JobRunItem
from apps.jobs.timetable import SHORTEST, silence_before
from tests import factories as make

JOB, CROWDS = "greet_contacts", "greet_crowds"
NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)


def someone(name: str, *, firm: Firm | None = None, rights: bool = True, **fields: Any) -> User:
    """Return a member of staff; of a firm, with the right to look at its runs."""
    user: User = make.UserFactory(username=name, is_staff=True, **fields)
    if firm is not None:
        make.MembershipFactory(user=user, firm=firm)
        if rights:
            user.user_permissions.add(Permission.objects.get(codename="view_jobrun"))
    return user


def superuser() -> User:
    return someone("root", is_superuser=True)


def granted(
    name: str, *verbs: str, job: str = "", firm: Firm | None = None, **fields: Any
) -> User:
    """Return a member of staff with one grant: to look, and whatever else is named."""
    user = someone(name, **fields)
    Grant.objects.create(user=user, job=job, firm=firm, **{f"may_{v}": True for v in verbs})
    return user


def a_run(at: datetime = NOW, *, took: float = 2, state: str = "done", **fields: Any) -> JobRun:
    """Make a run that took some seconds; one that ended well has done one thing."""
    over = state not in JobRun.UNDER_WAY
    return JobRun.objects.create(
        **{
            "job": JOB,
            "source": "schedule",
            "schedule_name": JOB,
            "state": state,
            "started_at": at,
            "heartbeat_at": at,
            "ended_at": at + timedelta(seconds=took) if over else None,
            "done": int(state == "done"),
        }
        | fields
    )


def note_silences() -> None:
    """Let runs that were only made note what they would have noted as they began."""
    runs = JobRun.objects.exclude(state__in=["queued", "duplicate"])
    for before, run in pairwise(runs.order_by("job", "started_at")):
        if before.job == run.job and run.started_at - before.started_at > SHORTEST:
            run.silent_since = silence_before(run, find(run.job))
            run.save(update_fields=["silent_since"])


def an_item(run: JobRun, firm: Firm, *, outcome: str = "done", **fields: Any) -> JobRunItem:
    """Put an item of a firm on a run's record."""
    label = f"Contact of {firm.name}"
    item = JobRunItem.objects.create(
        **{
            "run": run,
            "firm": firm,
            "position": run.items.count(),
            "subject_kind": "contacts.contact",
            "subject_key": "1",
            "subject_label": label,
            "outcome": outcome,
        }
        | fields
    )
    number = run.items.filter(outcome=outcome).count()
    JobRun.objects.filter(pk=run.pk, **{f"{outcome}__lt": number}).update(**{outcome: number})
    return item


def a_schedule(cron: str = "10 * * * *", **fields: Any) -> Schedule:
    """Make a schedule of the tests' job that has been fired before."""
    row = Schedule(
        **{
            "func": f"apps.jobs.services.{JOB}",
            "name": JOB,
            "schedule_type": Schedule.CRON,
            "cron": cron,
            "task": "t",
            "next_run": NOW + timedelta(minutes=40),
        }
        | fields
    )
    row.save()
    return row


def text_of(answer: Any) -> str:
    """Return what a page says, without its markup and in single spaces."""
    main = answer.content.decode().partition("<main")[2].partition(">")[2]
    bare = re.sub(r"<[^>]*>", " ", main.partition("</main>")[0].replace("<wbr>", ""))
    return re.sub(r" (?=[:,.])", "", " ".join(unescape(bare).split()))


def queries_of(client: Client, address: str) -> int:
    """Return how many statements a page takes of somebody who is signed in already."""
    client.get(address)  # the first request of a session notes it
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)
