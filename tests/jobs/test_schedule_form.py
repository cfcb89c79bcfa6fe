"""The schedule form in the admin: what it offers, refuses and says."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_q.models import Schedule

from apps.jobs.job import registry
from apps.jobs.models import JobRun
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)
CLEANUP = "apps.jobs.services.cleanup_old_tasks"
ADD = "admin:django_q_schedule_add"


@pytest.fixture
def office(client: Client) -> Client:
    """A browser signed in as a superuser."""
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def typed(**fields: Any) -> dict[str, Any]:
    """Return what a person typed: the clean-up at 04:15, unless said otherwise."""
    return {
        "name": "Clean up",
        "func": CLEANUP,
        "kwargs": "",
        "schedule_type": "C",
        "cron": "15 4 * * *",
        "minutes": "",
        "repeats": "-1",
        "next_run_0": "",
        "next_run_1": "",
        "cluster": "",
        "args": "",
        "hook": "",
        "intended_date_kwarg": "",
    } | fields


def refusals(office: Client, **fields: Any) -> dict[str, list[str]]:
    """Type a schedule and return what the form says at which field."""
    answer = office.post(reverse(ADD), typed(**fields))
    if answer.status_code == 302:
        return {}
    errors: dict[str, list[str]] = answer.context["adminform"].errors
    return errors


def options_of(page: bytes) -> set[str]:
    soup = BeautifulSoup(page, "html.parser")
    return {str(option["value"]) for option in soup.select("#id_func option")}


def test_offers_the_declared_jobs_and_nothing_else(office: Client) -> None:
    offered = options_of(office.get(reverse(ADD)).content)
    assert offered == {"", *(job.path for job in registry())}


def test_suggests_a_cron(office: Client) -> None:
    page = BeautifulSoup(office.get(reverse(ADD)).content, "html.parser")
    assert page.select("#id_schedule_type option[selected]")[0]["value"] == "C"


@time_machine.travel(NOW, tick=False)
def test_saves_a_schedule_and_says_when_it_runs(office: Client) -> None:
    answer = office.post(reverse(ADD), typed(kwargs="days=7, dry_run=True"), follow=True)
    row = Schedule.objects.get()
    assert (row.name, row.func, row.kwargs) == ("Clean up", CLEANUP, "days=7, dry_run=True")
    assert row.next_run == datetime(2025, 4, 1, 4, 15, tzinfo=UTC)
    assert (
        "At 04:15 (UTC). Next: 2025-04-01 04:15, 2025-04-02 04:15, 2025-04-03 04:15."
        in answer.content.decode()
    )


@pytest.mark.parametrize(
    "func", ["os.system", "apps.jobs.models.JobRun", "apps.jobs.services.page", "open"]
)
def test_refuses_what_is_no_declared_job(office: Client, func: str) -> None:
    assert refusals(office, func=func) == {
        "func": [f"'{func}' is not a declared job; only declared jobs can be scheduled."]
    }
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("kwargs", "sentence"),
    [
        (
            "days=7, dry_run=true",
            "dry_run=true is no literal; use a whole number, a text in quotes, True or False.",
        ),
        ("days=7; dry_run=True", "This cannot be read as name=value, separated by commas."),
        ("7", "A value without a name is lost; every argument needs its name."),
        ("firm=3", "cleanup_old_tasks has no argument 'firm'."),
        ("days='7'", "cleanup_old_tasks: days must be a whole number."),
        ("dry_run=1", "cleanup_old_tasks: dry_run must be True or False."),
        (
            "q_options={'sync': True}",
            "'q_options' is an instruction to Django-Q2, not an argument of a job.",
        ),
        ("broker=1", "'broker' is an instruction to Django-Q2, not an argument of a job."),
    ],
)
def test_refuses_arguments_with_a_sentence_and_an_example(
    office: Client, kwargs: str, sentence: str
) -> None:
    assert refusals(office, kwargs=kwargs) == {
        "kwargs": [f"{sentence} Example: days=30, dry_run=True"]
    }


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        (
            {"args": "7"},
            "args",
            "Jobs have no positional arguments; name them under keyword arguments.",
        ),
        (
            {"hook": "os.system"},
            "hook",
            "Hooks are not used: what came of a run is on its record.",
        ),
        (
            {"intended_date_kwarg": "days"},
            "intended_date_kwarg",
            "Not used: it passes a text with a date and time; jobs read the clock themselves.",
        ),
        (
            {"cron": "0 0 30 2 *"},
            "cron",
            "The cron expression '0 0 30 2 *' cannot be used: Bad day-of-month.",
        ),
        (
            {"cron": ""},
            "cron",
            "A cron expression has five fields: minute hour day month weekday, such as "
            "10 * * * * for ten past every hour (UTC).",
        ),
        (
            {
                "schedule_type": "M",
                "cron": "",
                "next_run_0": "2025-01-31",
                "next_run_1": "04:00",
            },
            "schedule_type",
            "Monthly drifts: from the 31st it stays on the 28th for ever. "
            "Use Cron, for example 0 4 1 * * (UTC).",
        ),
        (
            {"schedule_type": "D", "next_run_0": "2025-04-01", "next_run_1": "04:00"},
            "cron",
            "A cron expression is followed only with the type Cron.",
        ),
        (
            {
                "schedule_type": "I",
                "cron": "",
                "next_run_0": "2025-04-01",
                "next_run_1": "4:00",
            },
            "minutes",
            "Say how many minutes; without it the job runs every minute.",
        ),
        ({"schedule_type": "D", "cron": ""}, "next_run", "Say when it runs next."),
        (
            {"name": "x" * 101},
            "name",
            "Ensure this value has at most 100 characters (it has 101).",
        ),
        ({"cluster": "mars"}, "cluster", "There is no cluster 'mars'; nobody would run this."),
        ({"repeats": "-2"}, "repeats", "Use -1 for ever, 0 to pause, or a number of times."),
    ],
)
def test_refuses_what_django_q2_would_misread(
    office: Client, fields: dict[str, Any], field: str, sentence: str
) -> None:
    assert refusals(office, **fields) == {field: [sentence]}
    assert not Schedule.objects.exists()


@time_machine.travel(NOW, tick=False)
def test_moves_the_next_run_when_the_cron_changes(office: Client) -> None:
    row = Schedule.objects.create(func=CLEANUP, schedule_type="C", cron="15 4 * * *")
    address = reverse("admin:django_q_schedule_change", args=[row.pk])
    was = {"next_run_0": "2025-04-01", "next_run_1": "04:15:00"}
    assert office.post(address, typed(cron="0 18 * * *", **was)).status_code == 302
    row.refresh_from_db()
    assert row.next_run == datetime(2025, 3, 31, 18, tzinfo=UTC)


@time_machine.travel(NOW, tick=False)
def test_keeps_a_next_run_that_was_typed_in(office: Client) -> None:
    row = Schedule.objects.create(func=CLEANUP, schedule_type="C", cron="15 4 * * *")
    address = reverse("admin:django_q_schedule_change", args=[row.pk])
    wanted = {"next_run_0": "2025-03-31", "next_run_1": "20:00:00"}
    assert office.post(address, typed(**wanted)).status_code == 302
    row.refresh_from_db()
    assert row.next_run == datetime(2025, 3, 31, 20, tzinfo=UTC)


@time_machine.travel(NOW, tick=False)
def test_shows_the_cron_in_words_and_the_next_three_times(office: Client) -> None:
    row = Schedule.objects.create(func=CLEANUP, schedule_type="C", cron="15 4 * * *")
    page = office.get(reverse("admin:django_q_schedule_change", args=[row.pk]))
    text = BeautifulSoup(page.content, "html.parser").get_text(" ", strip=True)
    assert "At 04:15" in text
    assert "2025-04-01 04:15, 2025-04-02 04:15, 2025-04-03 04:15" in text


def test_opens_an_old_row_that_names_no_job(office: Client) -> None:
    row = Schedule(func="os.<b>", schedule_type="C", cron="x", next_run=NOW)
    row = Schedule.objects.bulk_create([row])[0]
    page = office.get(reverse("admin:django_q_schedule_change", args=[row.pk]))
    assert "This row names 'os.&lt;b&gt;', which is no job." in page.content.decode()
    listed = office.get(reverse("admin:django_q_schedule_changelist")).content.decode()
    assert "os.&lt;b&gt; (not a job)" in listed


def test_lists_schedules_with_their_last_runs_in_as_many_queries_for_many(
    office: Client, django_assert_num_queries: Any
) -> None:
    def add(number: int) -> None:
        row = Schedule.objects.create(func=CLEANUP, schedule_type="C", cron="15 4 * * *")
        task = f"{number:032d}"
        Schedule.objects.filter(pk=row.pk).update(task=task)
        JobRun.objects.create(
            job="cleanup_old_tasks", source="schedule", task_id=task, state="done"
        )

    address = reverse("admin:django_q_schedule_changelist")
    for number in range(20):
        add(number)
    office.get(address)
    with django_assert_num_queries(5):
        page = office.get(address)
    assert page.content.decode().count("Done</a>") == 20


def test_needs_the_right_to_add_schedules(client: Client) -> None:
    person = UserFactory(is_staff=True)
    client.force_login(person)
    assert client.get(reverse(ADD)).status_code == 403
    person.user_permissions.add(Permission.objects.get(codename="add_schedule"))
    assert client.get(reverse(ADD)).status_code == 200
