"""The list of jobs, and the page of each: what it does, when, and its verbs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django_q.models import OrmQ

from apps.audit.models import AuditEvent
from apps.console.pages.job import docstring
from apps.firms.models import Firm, User
from apps.jobs.job import Job
from apps.jobs.models import JobPause, JobRun
from tests.console.world import (
    CROWDS,
    JOB,
    NOW,
    a_run,
    a_schedule,
    an_item,
    granted,
    queries_of,
    someone,
    superuser,
    text_of,
)
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db

JOBS = "/admin/console/jobs/"
PAGE = f"{JOBS}{JOB}/"


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def alder() -> Firm:
    return FirmFactory(name="Alder", slug="alder", timezone="America/New_York")


@pytest.fixture
def birch() -> Firm:
    return FirmFactory(name="Birch", slug="birch", timezone="Asia/Kolkata")


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(superuser())
    return client


def press(client: Client, verb: str, job: str = JOB, **data: Any) -> Any:
    return client.post(f"{JOBS}{job}/{verb}/", data)


# ---- the list -------------------------------------------------------------------------------


def test_lists_each_job_with_when_it_ran_and_will_run(root: Client) -> None:
    a_schedule()
    a_run(NOW - timedelta(hours=2))
    a_run(NOW - timedelta(hours=1), state="partial")
    a_run(NOW, dry_run=True)
    text = text_of(root.get(JOBS))
    assert (
        f"{JOB} Greet every contact once. At 10 minutes past the hour "
        "! partly failed 1 hour ago 31 Mar 2025, 13:10 UTC" in text
    )
    assert f"{CROWDS} Greet every contact once, many at a time. only when asked never –" in text


def test_says_which_are_paused(root: Client) -> None:
    a_schedule()
    JobPause.objects.create(job=JOB, since=NOW, reason="x", until=NOW + timedelta(hours=4))
    assert "‖ paused until 31 Mar 2025, 16:30 UTC" in text_of(root.get(JOBS))


def test_lists_to_each_their_jobs_and_runs(client: Client, alder: Firm, birch: Firm) -> None:
    theirs, ours = a_run(NOW, state="lost"), a_run(NOW - timedelta(days=1))
    an_item(theirs, birch)
    an_item(ours, alder)
    client.force_login(granted("ann", job=JOB, firm=alder))
    text = text_of(client.get(JOBS))
    assert (JOB in text, CROWDS in text) == (True, False)
    assert "✓ done 1 day ago" in text


# ---- the page -------------------------------------------------------------------------------


def test_says_what_the_job_does(root: Client) -> None:
    answer = root.get(PAGE)
    assert text_of(answer).startswith(f"{JOB} Greet every contact once. When Only when asked.")


def test_a_docstring_becomes_paragraphs_with_code() -> None:
    def service() -> None:
        """Do it.

        With ``x < 3`` or `y`,
        twice.

        - And **nothing** else.
        """

    assert docstring(Job(service=service)) == [  # type: ignore[arg-type]
        "Do it.",
        "With <code>x &lt; 3</code> or <code>y</code>,\ntwice.",
        "- And **nothing** else.",
    ]


def test_says_when_the_job_runs_for_each_firm(root: Client, alder: Firm, birch: Firm) -> None:
    a_schedule()
    FirmFactory(name="Closed", status="closed")
    text = text_of(root.get(PAGE))
    assert "At 10 minutes past the hour (UTC)" in text
    assert "Alder 31 Mar 2025, 09:10 America/New_York" in text
    assert "Birch 31 Mar 2025, 18:40 Asia/Kolkata" in text
    assert "Closed" not in text


def names(answer: Any) -> list[str]:
    return [row.firm.name for row in answer.context["firms"]["rows"]]


def test_finds_a_firm_and_goes_on_after_twenty(root: Client) -> None:
    a_schedule()
    for number in range(25):
        FirmFactory(name=f"Firm {number:02d}")
    first = root.get(PAGE)
    second = root.get(PAGE + first.context["firms"]["more"])
    found = root.get(f"{PAGE}?firm=firm+1")
    assert [names(page) for page in (first, second, found)] == [
        [f"Firm {number:02d}" for number in numbers]
        for numbers in (range(20), range(20, 25), range(10, 20))
    ]
    assert "No such firm." in text_of(root.get(f"{PAGE}?firm=cedar"))


def test_a_pause_moves_the_next_time(root: Client, alder: Firm) -> None:
    a_schedule()
    pause = JobPause.objects.create(
        job=JOB, since=NOW, until=NOW + timedelta(hours=4), reason="Moving house"
    )
    text = text_of(root.get(PAGE))
    assert "‖ Paused until 31 Mar 2025, 16:30 UTC: Moving house" in text
    assert "Next: 31 Mar 2025, 17:10 UTC" in text
    assert "Alder 31 Mar 2025, 13:10 America/New_York" in text
    JobPause.objects.filter(pk=pause.pk).update(until=None)
    assert "Alder – America/New_York" in text_of(root.get(PAGE))


def test_draws_the_last_sixty_runs(root: Client) -> None:
    for number in range(70):
        a_run(
            NOW - timedelta(hours=number),
            took=number,
            state="failed" if number == 1 else "done",
        )
    a_run(NOW, dry_run=True)
    answer = root.get(PAGE)
    bars = answer.context["bars"]
    assert len(bars) == 60
    assert (bars[0].height, bars[-1].height) == (76, 4)  # 59 seconds ago, and none
    assert [bar.tone for bar in bars[-2:]] == ["bad", "good"]
    assert [bar.leads for bar in bars[-2:]] == [True, False]


def test_is_not_there_for_who_may_not_see_it(client: Client) -> None:
    client.force_login(granted("ann", job=CROWDS))
    assert client.get(PAGE).status_code == 404
    assert client.get(f"{JOBS}{CROWDS}/").status_code == 200
    assert client.get(f"{JOBS}nothing/").status_code == 404
    assert client.get(f"{JOBS}apps.jobs.services.{CROWDS}/").status_code == 404


def test_leads_superusers_to_the_schedules(client: Client, root: Client) -> None:
    row = a_schedule()
    address = f"/admin/django_q/schedule/{row.pk}/change/"
    assert address in root.get(PAGE).content.decode()
    client.force_login(granted("ann"))
    assert address not in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("verbs", "firm", "buttons"),
    [
        ((), False, []),
        (("preview",), False, ["Preview"]),
        (("run",), False, ["Run now"]),
        (("preview", "run", "pause"), False, ["Preview", "Run now", "Pause"]),
        (("preview", "run"), True, ["Preview", "Run now"]),
    ],
)
def test_has_the_buttons_that_the_rights_allow(
    client: Client, alder: Firm, verbs: tuple[str, ...], firm: bool, buttons: list[str]
) -> None:
    client.force_login(granted("ann", *verbs, firm=alder if firm else None))
    page = client.get(PAGE).content.decode()
    assert [b for b in ("Preview", "Run now", "Pause") if f">{b}</button>" in page] == buttons


# ---- starting -------------------------------------------------------------------------------


def started() -> JobRun:
    return JobRun.objects.get()


def test_a_preview_is_started_with_what_was_filled_in(root: Client, alder: Firm) -> None:
    filled = {"with-firm_id": alder.pk, "with-days_ago": "3", "with-as_of": "2025-04-01"}
    assert press(root, "start", do="preview", **filled).status_code == 302
    run = started()
    assert (run.state, run.dry_run, run.started_by) == ("queued", True, User.objects.get())
    assert run.arguments == {
        "firm_id": alder.pk,
        "days_ago": 3,
        "as_of": "2025-04-01",
        "dry_run": True,
    }
    assert OrmQ.objects.count() == 1
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_label, event.changes["from"]) == (
        "job_preview",
        "root",
        "127.0.0.1",
    )


def test_a_run_is_started_without_what_is_empty_or_as_it_is_anyway(root: Client) -> None:
    press(
        root, "start", do="run", **{"with-firm_id": "", "with-days_ago": "0", "with-as_of": ""}
    )
    assert (started().arguments, started().dry_run) == ({}, False)


def test_anything_but_run_is_a_preview(root: Client) -> None:
    press(root, "start")
    assert started().dry_run


@pytest.mark.parametrize(
    ("do", "name", "value", "sentence"),
    [
        ("run", "days_ago", "many", "Enter a whole number."),
        (
            "preview",
            "as_of",
            "2025-13-01",
            "Invalid date '2025-13-01' for --as-of. Use YYYY-MM-DD.",
        ),
        ("run", "as_of", "2025-04-01", "--as-of can only be used with --dry-run."),
        (
            "run",
            "firm_id",
            "12345",
            "Select a valid choice. 12345 is not one of the available choices.",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(
    root: Client, do: str, name: str, value: str, sentence: str
) -> None:
    answer = press(root, "start", do=do, **{f"with-{name}": value})
    assert answer.status_code == 422
    assert answer.context["start"].errors == {name: [sentence]}
    assert f'value="{value}"' in answer.content.decode() or name == "firm_id"
    assert not JobRun.objects.exists()


def test_a_firms_runner_starts_it_for_their_firm_only(
    client: Client, alder: Firm, birch: Firm
) -> None:
    client.force_login(granted("ann", "run", "preview", firm=alder))
    field = client.get(PAGE).context["start"].fields["firm_id"]
    assert field.choices == [(str(alder.pk), "Alder")]
    assert press(client, "start", do="run").status_code == 422  # whose?
    assert press(client, "start", do="run", **{"with-firm_id": birch.pk}).status_code == 422
    assert press(client, "start", do="run", **{"with-firm_id": alder.pk}).status_code == 302
    assert started().arguments == {"firm_id": alder.pk}


@pytest.mark.parametrize(("do", "verb"), [("run", "preview"), ("preview", "run")])
def test_each_verb_takes_its_own_right(client: Client, do: str, verb: str) -> None:
    client.force_login(granted("ann", verb))
    assert press(client, "start", do=do).status_code == 403
    client.force_login(granted("bob"))
    assert press(client, "start", do=do).status_code == 403
    assert not JobRun.objects.exists()


def test_what_cannot_be_taken_back_is_asked_first(
    root: Client, alder: Firm, settings: Any
) -> None:
    settings.JOBS_MODULE = "tests.console.harmful"
    a_run(NOW - timedelta(days=1), done=3)
    filled = {"do": "run", "with-firm_id": str(alder.pk)}
    answer = press(root, "start", **filled)
    text = text_of(answer)
    assert answer.status_code == 200
    assert "It writes to everybody. What a run has done cannot be taken back." in text
    assert "Firm Alder" in text
    assert "Last run ✓ done 30 Mar 2025, 12:30 UTC (1 day ago)" in text
    assert JobRun.objects.count() == 1
    page = answer.content.decode()
    assert page.index(">Preview first</button>") < page.index(">Run now</button>")
    assert press(root, "start", sure="yes", **filled).status_code == 302
    assert JobRun.objects.latest("pk").arguments == {"firm_id": alder.pk}


def test_asking_first_says_when_it_is_for_everybody(root: Client, settings: Any) -> None:
    settings.JOBS_MODULE = "tests.console.harmful"
    answer = press(root, "start", do="run")
    assert "For everything that is due, of every firm" in text_of(answer)


def test_who_may_not_run_it_is_not_asked(client: Client, settings: Any) -> None:
    settings.JOBS_MODULE = "tests.console.harmful"
    client.force_login(granted("ann", "preview"))
    assert press(client, "start", do="run").status_code == 403


# ---- pausing --------------------------------------------------------------------------------


def test_a_pause_until_a_time_with_a_reason(root: Client) -> None:
    filled = {"pause-until": "2025-04-01T06:00", "pause-reason": "Moving house"}
    answer = press(root, "pause", **filled)
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    pause = JobPause.objects.get()
    assert (f"{pause.until:%Y-%m-%d %H:%M %Z}", pause.reason) == (
        "2025-04-01 06:00 UTC",
        "Moving house",
    )
    assert f"{JOB} is paused until 2025-04-01 06:00 UTC: Moving house." in text_of(
        root.get(PAGE)
    )
    assert press(root, "resume").status_code == 302
    text = text_of(root.get(PAGE))
    assert f"{JOB} goes on at its next time." in text
    assert "‖" not in text
    actions = AuditEvent.objects.order_by("pk").values_list("action", "reason")
    assert [*actions] == [("job_pause", "Moving house"), ("job_resume", "")]


@pytest.mark.parametrize(
    ("until", "reason", "errors"),
    [
        ("", " ", {"reason": ["Say why the job is to rest."]}),
        ("2025-03-31T12:30", "x", {"until": ["The pause must end in the future."]}),
        ("tomorrow", "x", {"until": ["Enter a valid date/time."]}),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused_at_its_field(
    root: Client, until: str, reason: str, errors: dict[str, list[str]]
) -> None:
    answer = press(root, "pause", **{"pause-until": until, "pause-reason": reason})
    assert answer.status_code == 422
    assert answer.context["pausing"].errors == errors
    assert not JobPause.objects.exists()


def test_resuming_what_is_not_paused_says_so(root: Client) -> None:
    press(root, "resume")
    assert f"{JOB} is not paused." in text_of(root.get(PAGE))


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pausing_takes_its_right(client: Client, verb: str) -> None:
    client.force_login(granted("ann", "run", "preview", "approve"))
    filled = {"pause-reason": "x"}
    assert press(client, verb, **filled).status_code == 403
    client.force_login(granted("bob", "pause", job=CROWDS))
    assert press(client, verb, **filled).status_code == 404
    client.force_login(granted("cat", "pause", job=JOB))
    assert press(client, verb, **filled).status_code == 302


def test_a_firms_people_see_that_it_rests_and_not_why(client: Client, alder: Firm) -> None:
    JobPause.objects.create(job=JOB, since=NOW, reason="Secret")
    client.force_login(someone("ann", firm=alder))
    text = text_of(client.get(PAGE))
    assert ("‖ Paused" in text, "Secret" in text) == (True, False)


# ---- every verb -----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["start", "pause", "resume"])
def test_verbs_are_posted_with_the_token_of_their_form(verb: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser())
    assert client.get(f"{PAGE}{verb}/").status_code == 405
    assert press(client, verb).status_code == 403
    assert (JobRun.objects.count(), JobPause.objects.count()) == (0, 0)


@pytest.mark.parametrize("way", ["superuser", "grant", "staff"])
def test_pages_take_twelve_statements_at_most(client: Client, alder: Firm, way: str) -> None:
    ways = {
        "superuser": superuser,
        "grant": lambda: granted("ann", "run", "pause", "preview"),
        "staff": lambda: someone("ann", firm=alder),
    }
    client.force_login(ways[way]())
    a_schedule()
    for number in range(60):
        an_item(a_run(NOW - timedelta(hours=number)), alder)
    assert queries_of(client, JOBS) <= 12
    assert queries_of(client, PAGE) <= 12
