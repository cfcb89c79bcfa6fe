"""A long record of runs, and the console's pages over it, in phases."""

import gzip
import statistics
import time
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from apps.core.batches import batched
from apps.firms.models import Firm, Membership, MembershipRole, Role, User
from apps.firms.rights import staff_group
from apps.jobs.job import registry
from apps.jobs.models import JobRun, JobRunItem
from benchmarks.phases.measuring import Figures, migrate
from benchmarks.world import make_firms

TIMES = 40  # each page is opened
LARGEST = 0.1  # of all items are those of one run
DAYS = 30
FAILED, SKIPPED = 50, 5  # one item of so many


def world(size: int) -> Figures:
    """Migrate, and record runs of every job over 30 days with ``size`` items in all.

    One run, its predecessor and its preview have a tenth of them each.
    """
    migrate()
    call_command("sync_schedules", verbosity=0)
    firms = make_firms()
    office = User.objects.create(username="office", is_staff=True, is_superuser=True)
    clerk = User.objects.create(username="clerk", is_staff=True)
    clerk.groups.add(staff_group())
    place = Membership.objects.create(firm=firms[0], user=clerk)
    MembershipRole.objects.create(firm=firms[0], membership=place, role=Role.OWNER)
    large = int(size * LARGEST)
    runs = _runs(office)
    _fill(runs[:3], large, firms)
    _fill(runs[3:], max(1, (size - 3 * large) // len(runs[3:])), firms)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {
        "firm": firms[0].pk,
        "count": len(runs),
        "runs": [run.pk for run in runs[:3]],
    }


def _runs(office: User) -> list[JobRun]:
    """Return runs of every job, each hour of the days; first the three that are large."""
    now, made = timezone.now(), []
    for dry_run, ago in ((False, 1), (False, 25), (True, 2)):
        began = now - timedelta(hours=ago)
        made.append(_run("generate_monthly_invoices", began, dry_run=dry_run, by=office))
    for hour in range(DAYS * 24):
        for job in registry():
            began = now - timedelta(hours=hour, minutes=30)
            if job.cron:
                made.append(_run(job.name, began))
    return list(JobRun.objects.bulk_create(made, batch_size=1000))


def _run(job: str, began: Any, *, dry_run: bool = False, by: User | None = None) -> JobRun:
    return JobRun(
        job=job,
        arguments={"dry_run": True} if dry_run else {},
        dry_run=dry_run,
        source=JobRun.Source.CONSOLE if by else JobRun.Source.SCHEDULE,
        started_by=by,
        schedule_name="" if by else job,
        state=JobRun.State.DONE if began.minute % 7 else JobRun.State.PARTIAL,
        started_at=began,
        ended_at=began + timedelta(seconds=20),
        heartbeat_at=began,
    )


def _fill(runs: list[JobRun], size: int, firms: list[Firm]) -> None:
    """Give each run as many items, and let it say how they ended."""
    rows = (_item(run, number, firms) for run in runs for number in range(size))
    for some in batched(rows, 5000):
        JobRunItem.objects.bulk_create(some)
    failed = size // FAILED
    skipped = size // SKIPPED - size // (FAILED * SKIPPED)
    done = size - failed - skipped
    for run in runs:
        run.done, run.failed, run.skipped = done, failed, skipped
        run.money = {"USD": done * 150_000}
    JobRun.objects.bulk_update(runs, ["done", "failed", "skipped", "money"], batch_size=1000)


def _item(run: JobRun, number: int, firms: list[Firm]) -> JobRunItem:
    outcome = (
        "failed" if number % FAILED == 0 else "skipped" if number % SKIPPED == 0 else "done"
    )
    return JobRunItem(
        run=run,
        firm=firms[number % len(firms)],
        position=number,
        subject_kind="leasing.lease",
        subject_key=str(number),
        subject_part="2026-11",
        subject_label=f"Lease {number} Elm Court",
        outcome=outcome,
        action="issue" if outcome == "done" else "",
        reason="" if outcome == "done" else "already_invoiced",
        detail="" if outcome == "done" else f"Lease {number}: the bank does not answer",
        amount_minor=150_000 if outcome == "done" else None,
        currency="USD" if outcome == "done" else "",
    )


def pages(firm: int, runs: list[int]) -> Figures:
    """Open each page as the platform's operator and as a firm's owner, many times."""
    run, _, preview = runs
    where = {
        "Today": "",
        "Today, failed": "?state=attention",
        "Calendar, 24 h": "calendar/",
        "Calendar, 30 days": "calendar/?span=30d",
        "Jobs": "jobs/",
        "Job": "jobs/generate_monthly_invoices/",
        "Run": f"runs/{run}/",
        "Run, failed": f"runs/{run}/?outcome=failed",
        "Comparison": f"runs/{run}/compare/",
        "Preview": f"runs/{preview}/",
        "Why, search": "why/?q=Elm",
        "Why, a firm": f"why/?thing=firms.firm:{firm}",
    }
    found = []
    with override_settings(ALLOWED_HOSTS=["testserver"], SECURE_SSL_REDIRECT=False):
        for name in ("office", "clerk"):
            client = Client()
            client.force_login(User.objects.get(username=name), "apps.access.backends.AtOnce")
            found += [
                {"page": page, "who": name, **_open(client, f"/admin/console/{path}")}
                for page, path in where.items()
            ]
    return {"pages": found}


def _open(client: Client, path: str) -> Figures:
    client.get(path)  # templates are compiled once
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)
    spans = []
    for _ in range(TIMES):
        began = time.perf_counter()
        client.get(path)
        spans.append((time.perf_counter() - began) * 1000)
    return {
        "status": answer.status_code,
        "queries": len(asked),
        "median_ms": statistics.median(spans),
        "p95_ms": statistics.quantiles(spans, n=20)[-1],
        "bytes": len(answer.content),
        "compressed": len(gzip.compress(answer.content)),
    }
