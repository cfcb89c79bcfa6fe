"""A long record of runs, and the console's pages over it, in phases."""

import gzip
import statistics
import time
from datetime import datetime, timedelta
from itertools import takewhile

from cronsim import CronSim
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from apps.core import bulk
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
FAILED, SKIPPED = 500, 5  # one item of so many
BAD_DAYS = 10  # on one of so many days something failed


def world(size: int) -> Figures:
    """Migrate, and record 30 days in which every job ran at each of its times.

    There are ``size`` items in all: a tenth of them each in one run, its predecessor and its
    preview, the rest in the runs of jobs that are due at most once an hour. The others found
    nothing to do, as most do that look every minute.
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
    now = timezone.now()
    few = [
        _run("generate_monthly_invoices", now - timedelta(hours=ago), large, by=office, **given)
        for ago, given in ((1, {}), (25, {}), (2, {"dry_run": True}))
    ]
    runs = _kept(few)
    due = {job.name: _times(job.cron, now) for job in registry() if job.cron}
    rare = sum(len(times) for times in due.values() if len(times) <= DAYS * 24)
    each = max(1, (size - 3 * large) // rare)
    count = len(runs)
    for name, times in due.items():
        items = each if len(times) <= DAYS * 24 else 0
        for some in batched((_run(name, at, items) for at in times), 5000):
            made = _kept(some)
            count += len(made)
            _fill(made, items, firms)
    _fill(runs, large, firms)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"firm": firms[0].pk, "count": count, "runs": [run.pk for run in runs]}


def _times(cron: str, now: datetime) -> list[datetime]:
    """Return when a job was due in the days before now."""
    since = now - timedelta(days=DAYS)
    return list(takewhile(lambda at: at < now, CronSim(cron, since)))


def _run(
    job: str, began: datetime, items: int, *, dry_run: bool = False, by: User | None = None
) -> JobRun:
    failing = by is not None or began.day % BAD_DAYS == 0
    failed = -(-items // FAILED) if failing else 0
    skipped = -(-items // SKIPPED) - failed
    done = items - failed - skipped
    return JobRun(
        job=job,
        arguments={"dry_run": True} if dry_run else {},
        dry_run=dry_run,
        source=JobRun.Source.CONSOLE if by else JobRun.Source.SCHEDULE,
        started_by=by,
        schedule_name="" if by else job,
        state=JobRun.State.PARTIAL if failed else JobRun.State.DONE,
        started_at=began,
        ended_at=began + timedelta(seconds=20),
        heartbeat_at=began,
        done=done,
        skipped=skipped,
        failed=failed,
        money={"USD": done * 150_000} if done else {},
    )


def _kept(runs: list[JobRun]) -> list[JobRun]:
    return list(JobRun.objects.bulk_create(runs, batch_size=1000))


def _fill(runs: list[JobRun], size: int, firms: list[Firm]) -> None:
    """Give each run as many items."""
    rows = (_item(run, number, firms) for run in runs for number in range(size))
    for some in batched(rows, 5000):
        bulk.insert(JobRunItem, COLUMNS, some)


COLUMNS = (
    *("run", "firm", "position", "subject_kind", "subject_key", "subject_part"),
    *("subject_label", "outcome", "action", "reason", "detail", "amount_minor", "currency"),
)


def _item(run: JobRun, number: int, firms: list[Firm]) -> tuple[object, ...]:
    about = ("leasing.lease", str(number), "2026-11", f"Lease {number} Elm Court")
    place = (run.pk, firms[number % len(firms)].pk, number)
    if run.failed and number % FAILED == 0:
        detail = f"Lease {number}: the bank does not answer"
        return (*place, *about, "failed", "", "", detail, None, "")
    if number % SKIPPED == 0:
        return (*place, *about, "skipped", "", "already_invoiced", "", None, "")
    return (*place, *about, "done", "issue", "", "", 150_000, "USD")


def pages(firm: int, runs: list[int]) -> Figures:
    """Open each page as the platform's operator and as a firm's owner, many times."""
    run, _, preview = runs
    where = {
        "Today": "",
        "Today, attention": "?group=attention",
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
    queries = len(asked)  # the next request empties the log that they are in
    spans = []
    for _ in range(TIMES):
        began = time.perf_counter()
        client.get(path)
        spans.append((time.perf_counter() - began) * 1000)
    return {
        "status": answer.status_code,
        "queries": queries,
        "median_ms": statistics.median(spans),
        "p95_ms": statistics.quantiles(spans, n=20)[-1],
        "bytes": len(answer.content),
        "compressed": len(gzip.compress(answer.content)),
    }
