"""Runs, items, locks and Django-Q2's own tables in the admin."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ, Task
from django_q.tasks import async_task

from apps.firms.models import Firm, Membership, User
from apps.jobs.models import JobRun, JobRunItem, RunLock
from tests.factories import FirmFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 31, 12, 30, tzinfo=UTC)
RUNS = "admin:jobs_jobrun_changelist"
RUN = "admin:jobs_jobrun_change"
ITEMS = "admin:jobs_jobrunitem_changelist"
ITEM = "admin:jobs_jobrunitem_change"
LOCKS = "admin:jobs_runlock_changelist"


@pytest.fixture
def ours() -> Firm:
    return FirmFactory(name="Ours")


@pytest.fixture
def theirs() -> Firm:
    return FirmFactory(name="Theirs")


@pytest.fixture
def superuser() -> User:
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def office(client: Client, superuser: User) -> Client:
    """A browser signed in as a superuser."""
    client.force_login(superuser)
    return client


@pytest.fixture
def alice(ours: Firm) -> User:
    """Staff of our firm who may look at runs, their items and the queue."""
    person = MembershipFactory(firm=ours).user
    give(person, "view_jobrun", "view_success", "view_failure", "view_ormq")
    return person


@pytest.fixture
def desk(alice: User) -> Client:
    """Another browser, signed in as Alice."""
    browser = Client()
    browser.force_login(alice)
    return browser


def give(person: User, *rights: str) -> None:
    person.user_permissions.add(*Permission.objects.filter(codename__in=rights))


def make_run(**fields: Any) -> JobRun:
    fields = {"job": "apply_late_fees", "source": "schedule", "state": "done"} | fields
    return JobRun.objects.create(
        **{"started_at": NOW, "ended_at": NOW + timedelta(seconds=67)} | fields
    )


def make_item(run: JobRun, firm: Firm, label: str, **fields: Any) -> JobRunItem:
    fields = {"position": 0, "subject_kind": "leasing.lease", "subject_key": "12"} | fields
    return JobRunItem.objects.create(
        run=run, firm=firm, subject_label=label, outcome="done", **fields
    )


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    soup = BeautifulSoup(answer.content, "html.parser")
    return soup.select("#content")[0].get_text(" ", strip=True)


# ---- runs -----------------------------------------------------------------------------------


def test_lists_runs_with_counts_money_and_duration(office: Client) -> None:
    make_run(done=3, failed=1, money={"USD": 749900, "JPY": 120000}, schedule_name="Nightly")
    text = text_of(office.get(reverse(RUNS)))
    assert "¥120000, $7499.00" in text
    assert "3 done, 1 failed" in text
    assert "0:01:07" in text
    assert "Schedule “Nightly”" in text


def test_lists_runs_in_as_many_queries_for_many(
    office: Client, superuser: User, django_assert_num_queries: Any
) -> None:
    for _ in range(20):
        make_run(started_by=superuser, money={"USD": 100})
    with django_assert_num_queries(4):
        text = text_of(office.get(reverse(RUNS)))
    assert text.count("$1.00") == 20


def test_shows_all_of_a_run_to_a_superuser(office: Client) -> None:
    run = make_run(arguments={"property": 3}, summary="Late fees applied: 4", problem="Oh")
    text = text_of(office.get(reverse(RUN, args=[run.pk])))
    assert "{'property': 3}" in text.replace('"', "'")
    assert "Late fees applied: 4" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?of=apply_late_fees", 0),
        ("?of=close_lost_runs", 1),
        ("?state__exact=failed", 1),
        ("?source__exact=command", 0),
        ("?q=lost", 1),
        ("?q=" + "a" * 32, 1),
        ("?q=" + "a" * 31, 0),
    ],
)
def test_finds_runs_by_job_state_source_and_task(
    office: Client, query: str, found: int
) -> None:
    make_run(job="close_lost_runs", state="failed", task_id="a" * 32)
    answer = office.get(reverse(RUNS) + query)
    assert answer.context["cl"].result_count == found


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_lets_nobody_write_runs_by_hand(office: Client, page: str) -> None:
    run = make_run()
    args = [] if page == "add" else [run.pk]
    address = reverse(f"admin:jobs_jobrun_{page}", args=args)
    assert office.post(address, {"state": "failed", "post": "yes"}).status_code == 403
    run.refresh_from_db()
    assert run.state == "done"


def test_shows_staff_only_the_runs_that_touched_their_firms(
    desk: Client, ours: Firm, theirs: Firm
) -> None:
    mine, other, empty = make_run(), make_run(), make_run()
    make_item(mine, ours, "Ada")
    make_item(mine, theirs, "Bob")
    make_item(other, theirs, "Bob")
    shown = {run.pk for run in desk.get(reverse(RUNS)).context["cl"].result_list}
    assert shown == {mine.pk}
    assert desk.get(reverse(RUN, args=[mine.pk])).status_code == 200
    for hidden in (other, empty):
        assert desk.get(reverse(RUN, args=[hidden.pk])).status_code == 302


def test_keeps_totals_words_and_arguments_from_staff(desk: Client, ours: Firm) -> None:
    run = make_run(
        done=73,
        money={"USD": 749900},
        summary="Late fees applied: 73",
        problem="Firm 7 is broken",
        arguments={"firm_id": 4711},
        schedule_name="Acme only",
        started_by=UserFactory(username="theboss"),
    )
    make_item(run, ours, "Ada")
    texts = text_of(desk.get(reverse(RUNS))) + text_of(desk.get(reverse(RUN, args=[run.pk])))
    for secret in ("73", "7499", "Firm 7", "4711", "Acme", "theboss"):
        assert secret not in texts


@pytest.mark.parametrize(
    "query", ["?summary__contains=Acme", "?done__gt=1", "?problem__startswith=F", "?money=1"]
)
def test_lets_staff_not_ask_for_what_they_do_not_see(
    desk: Client, ours: Firm, query: str
) -> None:
    make_item(make_run(), ours, "Ada")
    assert desk.get(reverse(RUNS) + query).status_code == 400


@pytest.mark.parametrize("page", [RUNS, ITEMS, LOCKS, "admin:django_q_ormq_changelist"])
def test_shows_nothing_to_staff_without_the_right(
    client: Client, ours: Firm, page: str
) -> None:
    client.force_login(MembershipFactory(firm=ours).user)
    assert client.get(reverse(page)).status_code == 403


def test_shows_no_runs_to_staff_who_left_the_firm(
    desk: Client, alice: User, ours: Firm
) -> None:
    make_item(make_run(), ours, "Ada")
    Membership.objects.filter(user=alice).update(is_active=False)
    assert desk.get(reverse(RUNS)).context["cl"].result_count == 0
    assert desk.get(reverse(ITEMS)).context["cl"].result_count == 0


# ---- cancelling -----------------------------------------------------------------------------


def press(browser: Client, page: str, action: str, *rows: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return browser.post(reverse(page), chosen, follow=True)


def test_leaves_what_is_done_about_a_run_to_the_console(
    office: Client, desk: Client, alice: User, ours: Firm
) -> None:
    give(alice, "change_jobrun", "delete_jobrun")
    run = make_run(state="running")
    make_item(run, ours, "Ada")
    before = JobRun.objects.values().get()
    for browser in (office, desk):
        for action in ("cancel", "delete_selected"):
            press(browser, RUNS, action, run)
        page = browser.get(reverse(RUN, args=[run.pk])).content.decode()
        assert f'href="{reverse("console:run", args=[run.pk])}"' in page
    assert JobRun.objects.values().get() == before


# ---- items ----------------------------------------------------------------------------------


def test_shows_the_items_of_a_run_in_order(office: Client, ours: Firm) -> None:
    run = make_run()
    for position, label in ((2, "Cleo"), (0, "Ada"), (1, "Bob")):
        make_item(run, ours, label, position=position, amount_minor=5000, currency="USD")
    make_item(make_run(), ours, "Elsewhere")
    answer = office.get(reverse(ITEMS) + f"?run={run.pk}")
    assert [item.subject_label for item in answer.context["cl"].result_list] == [
        "Ada",
        "Bob",
        "Cleo",
    ]
    assert text_of(answer).count("$50.00") == 3


@pytest.mark.parametrize(("query", "found"), [("Ada", 1), ("12", 2), ("1", 0), ("lovel", 1)])
def test_finds_items_by_label_or_key(
    office: Client, ours: Firm, query: str, found: int
) -> None:
    run = make_run()
    make_item(run, ours, "Ada Lovelace")
    make_item(run, ours, "Bob")
    answer = office.get(reverse(ITEMS) + f"?run={run.pk}&q={query}")
    assert answer.context["cl"].result_count == found


def test_lists_items_in_as_many_queries_for_many(
    office: Client, django_assert_num_queries: Any
) -> None:
    run = make_run()
    for number in range(20):
        make_item(run, FirmFactory(), f"Lease {number}")
    with django_assert_num_queries(4):
        answer = office.get(reverse(ITEMS) + f"?run={run.pk}")
    assert answer.context["cl"].result_count == 20


def test_shows_staff_only_items_of_their_firms(desk: Client, ours: Firm, theirs: Firm) -> None:
    run = make_run()
    mine, other = make_item(run, ours, "Ada"), make_item(run, theirs, "Bob")
    text = text_of(desk.get(reverse(ITEMS) + f"?run={run.pk}"))
    assert "Ada" in text
    assert "Bob" not in text
    assert desk.get(reverse(ITEM, args=[mine.pk])).status_code == 200
    assert desk.get(reverse(ITEM, args=[other.pk])).status_code == 302


def test_shows_a_superuser_also_items_of_no_firm(office: Client) -> None:
    run = make_run()
    JobRunItem.objects.create(
        run=run, position=0, subject_kind="django_q.task", subject_key="a", subject_label="Page"
    )
    assert office.get(reverse(ITEMS)).context["cl"].result_count == 1


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_lets_nobody_write_items_by_hand(office: Client, ours: Firm, page: str) -> None:
    item = make_item(make_run(), ours, "Ada")
    args = [] if page == "add" else [item.pk]
    address = reverse(f"admin:jobs_jobrunitem_{page}", args=args)
    assert office.post(address, {"outcome": "failed", "post": "yes"}).status_code == 403
    assert JobRunItem.objects.get().outcome == "done"


# ---- locks ----------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
def test_releases_only_locks_whose_lease_has_run_out(office: Client) -> None:
    run = make_run(state="running")
    dead = RunLock.objects.create(
        job="a", run=run, fence=7, expires_at=NOW - timedelta(seconds=1)
    )
    alive = RunLock.objects.create(
        job="b", run=run, fence=7, expires_at=NOW + timedelta(seconds=1)
    )
    answer = press(office, LOCKS, "release", dead, alive)
    assert "1 locks released, 1 skipped: not held, or their lease still runs." in (
        answer.content.decode()
    )
    for lock in (dead, alive):
        lock.refresh_from_db()
    assert (dead.run, dead.expires_at, dead.fence) == (None, None, 7)
    assert alive.run == run


def test_shows_locks_to_superusers_only(desk: Client, alice: User, office: Client) -> None:
    give(alice, "view_runlock", "change_runlock")
    RunLock.objects.create(job="a")
    assert desk.get(reverse(LOCKS)).status_code == 403
    assert office.get(reverse(LOCKS)).context["cl"].result_count == 1


# ---- Django-Q2's own tables ---------------------------------------------------------------


@pytest.fixture
def make_task() -> Callable[..., Task]:
    def make(*, success: bool) -> Task:
        return Task.objects.create(
            id=f"{success:032d}",
            name="lemon-tango",
            func="apps.jobs.services.cleanup_old_tasks",
            args=("positional-secret",),
            kwargs={"days": "keyword-secret"},
            result="result-secret",
            started=NOW,
            stopped=NOW,
            success=success,
        )

    return make


@pytest.mark.parametrize(("table", "success"), [("success", True), ("failure", False)])
def test_shows_tasks_without_arguments_to_staff(
    desk: Client, make_task: Callable[..., Task], table: str, success: bool
) -> None:
    task = make_task(success=success)
    listed = desk.get(reverse(f"admin:django_q_{table}_changelist"))
    detail = desk.get(reverse(f"admin:django_q_{table}_change", args=[task.pk]))
    assert "lemon-tango" in text_of(listed)
    assert "lemon-tango" in text_of(detail)
    assert "secret" not in text_of(listed) + text_of(detail)


def test_shows_a_tasks_arguments_to_superusers(
    office: Client, make_task: Callable[..., Task]
) -> None:
    task = make_task(success=False)
    text = text_of(office.get(reverse("admin:django_q_failure_change", args=[task.pk])))
    for word in ("positional-secret", "keyword-secret", "result-secret"):
        assert word in text


@pytest.mark.parametrize("action", ["resubmit_task", "delete_selected"])
def test_lets_nobody_resubmit_or_delete_a_task(
    office: Client, desk: Client, make_task: Callable[..., Task], action: str
) -> None:
    task = make_task(success=False)
    page = "admin:django_q_failure_changelist"
    for browser in (office, desk):
        press(browser, page, action, task)
        address = reverse("admin:django_q_failure_delete", args=[task.pk])
        assert browser.post(address, {"post": "yes"}).status_code == 403
    assert Task.objects.get() == task
    assert not OrmQ.objects.exists()


def test_shows_queued_work_without_arguments_to_staff(desk: Client, office: Client) -> None:
    async_task("apps.jobs.services.cleanup_old_tasks", days="keyword-secret")
    package = OrmQ.objects.get()
    listed = text_of(desk.get(reverse("admin:django_q_ormq_changelist")))
    address = reverse("admin:django_q_ormq_change", args=[package.pk])
    detail = text_of(desk.get(address))
    assert "apps.jobs.services.cleanup_old_tasks" in listed
    for hidden in ("secret", package.payload):
        assert hidden not in listed + detail
    assert "keyword-secret" in text_of(office.get(address))


def test_lets_nobody_touch_queued_work(office: Client) -> None:
    async_task("apps.jobs.services.cleanup_old_tasks")
    package = OrmQ.objects.get()
    for page in ("change", "delete"):
        address = reverse(f"admin:django_q_ormq_{page}", args=[package.pk])
        assert office.post(address, {"key": "x", "post": "yes"}).status_code == 403
    assert OrmQ.objects.get().payload == package.payload
