"""Schedules: which rows must exist, and which are refused."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.checks import Error, run_checks
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from pytest_django import Settings

from apps.core.problems import BadOption
from apps.jobs import schedules
from apps.jobs.schedules import check_cron, cron_in_words, next_times, read_kwargs

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 4, 0, tzinfo=UTC)
CLEANUP = "apps.jobs.services.cleanup_old_tasks"


@pytest.fixture
def own_jobs(settings: Settings) -> None:
    """One job with a time (09:00), greet_contacts, and one without, greet_crowds."""
    settings.JOBS_MODULE = "tests.jobs.work"


def sync(**options: Any) -> str:
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command("sync_schedules", stdout=out, **options)
    return out.getvalue()


def unguarded(**fields: Any) -> Schedule:
    """Make a row the way an old release or plain SQL could have."""
    fields = {"func": CLEANUP, "schedule_type": "C", "cron": "15 4 * * *"} | fields
    fields.setdefault("next_run", NOW)
    return Schedule.objects.bulk_create([Schedule(**fields)])[0]


# ---- sync_schedules ---------------------------------------------------------------------


@pytest.mark.usefixtures("own_jobs")
def test_creates_the_missing_row_and_says_when_it_runs_first() -> None:
    assert sync() == (
        "  ✓ Created greet_contacts: 0 9 * * * UTC (At 09:00), first at 2025-03-31 09:00\n"
        "Created 1 schedules; 0 already present.\n"
    )
    row = Schedule.objects.get()
    assert (row.name, row.func) == ("greet_contacts", "apps.jobs.services.greet_contacts")
    assert (row.schedule_type, row.cron, row.kwargs) == ("C", "0 9 * * *", "")
    assert (row.repeats, row.next_run) == (-1, datetime(2025, 3, 31, 9, tzinfo=UTC))


@pytest.mark.usefixtures("own_jobs")
def test_creates_nothing_the_second_time() -> None:
    sync()
    assert sync() == "Created 0 schedules; 1 already present.\n"
    assert Schedule.objects.count() == 1


@pytest.mark.usefixtures("own_jobs")
def test_creates_nothing_in_a_dry_run() -> None:
    assert sync(dry_run=True).splitlines()[-1] == "Would create 1 schedules; 0 already present."
    assert not Schedule.objects.exists()


@pytest.mark.usefixtures("own_jobs")
def test_leaves_a_row_that_a_person_made_as_it_is() -> None:
    row = unguarded(
        func="apps.jobs.services.greet_contacts", name="Ours", cron="1 2 * * *", repeats=0
    )
    before = Schedule.objects.values().get()
    assert sync() == "Created 0 schedules; 1 already present.\n"
    assert Schedule.objects.values().get(pk=row.pk) == before


@pytest.mark.usefixtures("own_jobs")
def test_counts_a_row_with_the_full_path_of_the_service() -> None:
    unguarded(func="tests.jobs.work.greet_contacts")
    assert sync() == "Created 0 schedules; 1 already present.\n"


def test_gives_every_declared_job_a_row_that_its_own_rules_accept() -> None:
    sync()
    assert not any(schedules.broken_rules(row) for row in Schedule.objects.all())
    assert CLEANUP in Schedule.objects.values_list("func", flat=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_jobs")
def test_creates_each_row_once_when_several_processes_sync() -> None:
    def create(_: int) -> int:
        try:
            return len(schedules.create_missing())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(create, range(4)))
    assert sorted(created) == [0, 0, 0, 1]
    assert Schedule.objects.count() == 1


# ---- arguments ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("text", "kwargs"),
    [
        ("", {}),
        (" ", {}),
        ("{}", {}),
        ("{'days': 7, 'dry_run': True}", {"days": 7, "dry_run": True}),
        ("days=7, dry_run=True", {"days": 7, "dry_run": True}),
        ("days=-7,", {"days": -7}),
        ("failures_only=False", {"failures_only": False}),
    ],
)
def test_reads_arguments_as_the_scheduler_does(text: str, kwargs: dict[str, Any]) -> None:
    assert read_kwargs(text) == kwargs
    unguarded(kwargs=text)
    scheduler()
    assert OrmQ.objects.get().kwargs() == kwargs


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("days='acme', dry_run=true", "dry_run=true is no literal"),
        ("days=foo", "days=foo is no literal"),
        ("days=7 * 2", "days=7 * 2 is no literal"),
        ("{'days': 1", "This cannot be read"),
        ("days=1; dry_run=True", "This cannot be read"),
        ("days=1) or f(days=2", "This cannot be read"),
        ("days=1); f(days=2", "This cannot be read"),
        ("days=1)(days=2", "This cannot be read"),
        ("--days 7", "This cannot be read"),
        ("7", "A value without a name is lost"),
        ("7, dry_run=True", "A value without a name is lost"),
        ("'dry_run'", "A value without a name is lost"),
        ("[1, 2]", "A value without a name is lost"),
        ("{1: 2}", "The name of an argument must be a text, not 1"),
        ("{[]: 2}", "This is no dictionary of literals"),
        ("**{'days': 1}", "Every argument must be named, and only once"),
        ("days=1, days=2", "Every argument must be named, and only once"),
    ],
)
def test_refuses_arguments_that_would_be_lost_or_stop_the_scheduler(
    text: str, problem: str
) -> None:
    with pytest.raises(BadOption, match="^" + problem.replace("*", r"\*")):
        read_kwargs(text)


# ---- cron -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("10 * * * *", "At 10 minutes past the hour"),
        ("15 4 * * *", "At 04:15"),
        ("0 0 29 2 *", "At 00:00, on day 29 of the month, only in February"),
        ("0 1 * * 0", "At 01:00, only on Sunday"),
        ("*/15 * * * *", "Every 15 minutes"),
    ],
)
def test_accepts_a_cron_and_says_it_in_words(cron: str, words: str) -> None:
    check_cron(cron)
    assert cron_in_words(cron) == words


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("", "five fields"),
        ("@daily", "five fields"),
        ("* * * * * *", "five fields"),
        ("0 0 30 2 *", "cannot be used"),
        ("60 * * * *", "cannot be used"),
        ("0 0 LW * *", "cannot be used"),
        ("0 0 * * L5", "cannot be used"),
        ("R * * * *", "cannot be used"),
        ("0 0 */2 * 1", "different times to different readers"),
    ],
)
def test_refuses_a_cron_that_never_comes_or_has_two_meanings(cron: str, problem: str) -> None:
    with pytest.raises(BadOption, match=problem):
        check_cron(cron)


def test_tells_the_next_times_in_utc() -> None:
    after = datetime(2025, 3, 31, 6, 15, tzinfo=UTC)
    assert next_times("15 4 * * *", count=2, after=after) == [
        datetime(2025, 4, 1, 4, 15, tzinfo=UTC),
        datetime(2025, 4, 2, 4, 15, tzinfo=UTC),
    ]


# ---- the guard --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"func": "os.system"}, "func"),
        ({"func": "apps.jobs.models.JobRun"}, "func"),
        ({"func": "apps.jobs.services.nothing"}, "func"),
        ({"kwargs": "days=7, dry_run=true"}, "kwargs"),
        ({"kwargs": "hours=7"}, "kwargs"),
        ({"kwargs": "days='7'"}, "kwargs"),
        ({"kwargs": "days=True"}, "kwargs"),
        ({"kwargs": "q_options={'sync': True}"}, "kwargs"),
        ({"kwargs": "broker='x'"}, "kwargs"),
        ({"kwargs": "{'timeout': 5}"}, "kwargs"),
        ({"args": "7"}, "args"),
        ({"hook": "os.system"}, "hook"),
        ({"intended_date_kwarg": "as_of"}, "intended_date_kwarg"),
        ({"name": "x" * 101}, "name"),
        ({"cluster": "nowhere"}, "cluster"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": ""}, "cron"),
        ({"schedule_type": "M", "cron": None}, "schedule_type"),
        ({"schedule_type": "Y", "cron": None}, "schedule_type"),
        ({"schedule_type": "D"}, "cron"),
        ({"schedule_type": "I", "cron": None}, "minutes"),
    ],
)
def test_refuses_to_save_a_row_that_would_be_misread(
    fields: dict[str, Any], field: str
) -> None:
    good = {"func": CLEANUP, "schedule_type": "I", "minutes": 5}
    if fields.keys() & {"cron", "schedule_type"}:
        good = {"func": CLEANUP, "schedule_type": "C", "cron": "15 4 * * *"}
    row = Schedule(**good | fields)
    with pytest.raises(ValidationError) as refused:
        schedules.guard(row)
    assert list(refused.value.message_dict) == [field]


def test_guards_rows_made_in_code() -> None:
    with pytest.raises(ValidationError, match="is not a declared job"):
        Schedule.objects.create(func="os.system", kwargs="command='true'")
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"kwargs": "days=7, dry_run=True"},
        {"kwargs": "", "name": "x" * 100},
        {"schedule_type": "D", "cron": None},
        {"schedule_type": "O", "cron": None},
        {"func": "apps.jobs.services.close_lost_runs", "cluster": "nightshift"},
    ],
)
def test_saves_a_row_that_is_read_as_it_is_meant(fields: dict[str, Any]) -> None:
    good = {"func": CLEANUP, "schedule_type": "C", "cron": "15 4 * * *"}
    Schedule.objects.create(**good | fields)


def test_accepts_the_bare_path_of_a_service() -> None:
    Schedule.objects.create(
        func="apps.leasing.services.generate_monthly_invoices",
        schedule_type=Schedule.CRON,
        cron="10 * * * *",
    )


def test_refuses_to_make_a_good_row_bad() -> None:
    row = Schedule.objects.create(func=CLEANUP, schedule_type="C", cron="15 4 * * *")
    row.kwargs = "days=x"
    with pytest.raises(ValidationError, match="days=x is no literal"):
        row.save()


@pytest.mark.django_db(transaction=True)
def test_lets_the_scheduler_go_on_past_an_old_bad_row() -> None:
    bad = unguarded(kwargs="dry_run=true", cron="0 4 * * *")
    good = unguarded(func="apps.jobs.services.close_lost_runs", cron="*/5 * * * *")
    scheduler()
    assert OrmQ.objects.count() == 2
    for row in (bad, good):
        row.refresh_from_db()
        assert row.next_run > datetime.now(UTC) - timedelta(minutes=1)


# ---- the system check --------------------------------------------------------------------


def test_reports_bad_rows_as_errors_with_hints() -> None:
    unguarded(name="Good")
    row = unguarded(name="Cleanup", kwargs="days=7, dry_run=true")
    errors = [e for e in run_checks(databases=["default"]) if e.id == "jobs.E001"]
    assert errors == [
        Error(
            f"Schedule {row.pk} (Cleanup), kwargs: dry_run=true is no literal; use a whole "
            "number, a text in quotes, True or False. Example: days=30, dry_run=True",
            hint="Correct or delete it in the admin, under Scheduled tasks.",
            id="jobs.E001",
        )
    ]


def test_reads_no_rows_without_a_database_to_check() -> None:
    unguarded(kwargs="days=x")
    assert not [e for e in run_checks() if e.id == "jobs.E001"]


def test_does_not_keep_a_migration_from_repairing_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unguarded(kwargs="days=x")
    monkeypatch.setattr("sys.argv", ["manage.py", "migrate"])
    assert not [e for e in run_checks(databases=["default"]) if e.id == "jobs.E001"]
