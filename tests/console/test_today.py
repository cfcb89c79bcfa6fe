"""Today shows how things are and the runs, to each person what is theirs."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client

from apps.core import money
from apps.firms.models import Firm, User
from apps.jobs.models import ClusterSign, JobRun
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
from tests.factories import FirmFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_noon")]

HOUR = timedelta(hours=1)
TODAY = "/admin/console/"


@pytest.fixture
def at_noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def alder() -> Firm:
    return FirmFactory(name="Alder", slug="alder")


@pytest.fixture
def birch() -> Firm:
    return FirmFactory(name="Birch", slug="birch")


@pytest.fixture
def root(client: Client) -> Client:
    client.force_login(superuser())
    return client


def shown(answer: Any) -> list[int]:
    """Return the keys of the runs on the page."""
    assert answer.status_code == 200
    return [row.run.pk for row in answer.context["rows"]]


# ---- who comes in ---------------------------------------------------------------------------


def test_leads_who_is_nobody_to_the_sign_in(client: Client) -> None:
    answer = client.get(TODAY)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={TODAY}")


def test_refuses_staff_without_a_grant(client: Client) -> None:
    client.force_login(someone("stranger"))
    assert client.get(TODAY).status_code == 403


def test_does_not_know_customers(client: Client) -> None:
    client.force_login(UserFactory())
    assert client.get(TODAY).status_code == 302


# ---- health ---------------------------------------------------------------------------------


def test_says_in_a_sentence_that_all_is_well(root: Client) -> None:
    a_schedule()
    for hours in range(3):
        a_run(NOW - timedelta(hours=hours, minutes=19))
    for name in ("one", "two"):
        ClusterSign.objects.create(cluster=name, canary_at=NOW - timedelta(minutes=1))
    ClusterSign.objects.create(cluster="gone", canary_at=NOW - timedelta(minutes=4))
    text = text_of(root.get(TODAY))
    assert text.startswith(
        "Today 1 of 1 job on time · 0 late · 0 missed in 30 days · 2 clusters"
    )


def test_says_what_is_late_and_what_was_missed(root: Client) -> None:
    a_schedule()
    a_run(NOW - timedelta(hours=3, minutes=19))
    text = text_of(root.get(TODAY))
    assert "0 of 1 job on time · 1 late · 3 missed in 30 days · no cluster up" in text
    assert (
        f"{JOB} is late: due 2025-03-31 11:10 UTC, last success 2025-03-31 09:11 UTC." in text
    )
    assert f"3 times were missed in 30 days {JOB} 3 Calendar" in text


@pytest.mark.parametrize("way", ["superuser", "grant", "staff"])
def test_shows_how_the_platform_is_to_whoever_sees_all_of_it(
    client: Client, alder: Firm, way: str
) -> None:
    a_schedule()
    ways = {
        "superuser": superuser,
        "grant": lambda: granted("ann"),
        "staff": lambda: someone("ann", firm=alder),
    }
    client.force_login(ways[way]())
    assert ("on time" in text_of(client.get(TODAY))) == (way != "staff")


# ---- runs -----------------------------------------------------------------------------------


def test_shows_what_came_of_a_run(root: Client, alder: Firm) -> None:
    run = a_run(
        NOW - timedelta(minutes=5),
        took=75,
        state="partial",
        done=12,
        skipped=1_300,
        failed=2,
        money={"USD": 149_900, "JPY": 500},
        arguments={"firm_id": alder.pk},
        problem="2 item(s) failed; see the log.",
        source="console",
        started_by=UserFactory(username="ann"),
    )
    text = text_of(root.get(TODAY))
    row = text[text.index("! partly failed") :]
    assert row.startswith(
        f"! partly failed {JOB} #{run.pk} Alder 2 item(s) failed; see the log. "
        "31 Mar 2025, 12:25 UTC ann 12 1,300 2 ¥500, $1,499.00 1 min 15 s"
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dry_run": True}, "✓ done (preview)"),
        ({"state": "running"}, "▶ running"),
        ({"schedule_name": "Twice a day"}, "schedule “Twice a day”"),
        ({"source": "command", "schedule_name": ""}, "a command"),
        ({"arguments": {"tenant": "birch"}}, "Birch"),
    ],
)
@pytest.mark.usefixtures("birch")
def test_tells_runs_apart(root: Client, fields: dict[str, Any], words: str) -> None:
    a_run(**fields)
    assert words in text_of(root.get(TODAY))


def test_says_how_long_a_job_usually_takes(root: Client) -> None:
    for number in range(10):
        a_run(NOW - timedelta(hours=number + 1), took=2 + number % 4)
    slow = a_run(NOW - timedelta(minutes=1), took=40)
    answer = root.get(TODAY)
    assert "40 s usual 2.0 s – 5.0 s" in text_of(answer)
    assert shown(answer)[0] == slow.pk
    assert 'class="here slow"' in answer.content.decode()


def test_shows_a_firms_people_their_own_figures_only(
    client: Client, alder: Firm, birch: Firm
) -> None:
    run = a_run(
        done=3,
        failed=1,
        money={"USD": 99_900},
        state="partial",
        problem="Birch burns",
        schedule_name="Of Birch",
        arguments={"days_ago": 7},
    )
    an_item(run, alder, amount_minor=1_200, currency="USD")
    an_item(run, alder, outcome="skipped")
    an_item(run, birch, amount_minor=98_700, currency="USD")
    an_item(run, birch, outcome="failed")
    theirs = a_run(arguments={"firm_id": birch.pk})
    an_item(theirs, birch)
    client.force_login(someone("ann", firm=alder))
    answer = client.get(TODAY)
    assert shown(answer) == [run.pk]
    (row,) = answer.context["rows"]
    assert (row.counts, row.totals) == (
        {"done": 1, "skipped": 1},
        [money.from_minor(1_200, "USD")],
    )
    for hidden in ("Birch", "999", "987", "Retry", "Acknowledge"):
        assert hidden not in text_of(answer)


# ---- filters --------------------------------------------------------------------------------


@pytest.fixture
def runs(alder: Firm, birch: Firm) -> dict[str, JobRun]:
    def at(hours: int) -> Any:
        return NOW - timedelta(hours=hours)

    made = {
        "going": a_run(at(1), state="running"),
        "waits": a_run(at(2), state="queued", source="console"),
        "done": a_run(at(3)),
        "failed": a_run(at(4), state="failed", failed=1),
        "known": a_run(at(5), state="lost", acknowledged_at=NOW),
        "preview": a_run(at(6), state="failed", dry_run=True),
        "alder": a_run(at(7), arguments={"firm_id": alder.pk}),
        "slug": a_run(at(8), arguments={"tenant": "alder"}),
        "touched": a_run(at(9)),
        "crowds": a_run(at(30), job=CROWDS, source="command"),
    }
    an_item(made["touched"], alder)
    an_item(made["done"], birch)
    return made


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (f"job={CROWDS}", ["crowds"]),
        ("group=attention", ["failed"]),
        ("group=going", ["going", "waits"]),
        ("group=well", ["done", "alder", "slug", "touched", "crowds"]),
        ("firm=alder", ["alder", "slug", "touched"]),
        ("source=console", ["waits"]),
        ("previews=only", ["preview"]),
        ("previews=out&group=attention", ["failed"]),
        ("day=2025-03-30", ["crowds"]),
        ("group=well&source=schedule&firm=alder", ["alder", "slug", "touched"]),
    ],
)
def test_filters_by_what_stands_in_the_address(
    root: Client, runs: dict[str, JobRun], asked: str, names: list[str]
) -> None:
    assert shown(root.get(f"{TODAY}?{asked}")) == [runs[name].pk for name in names]


def test_leaves_out_what_did_nothing_until_it_is_asked_for(root: Client) -> None:
    idle = [a_run(NOW, done=0), a_run(NOW - HOUR, state="paused")]
    others = [
        a_run(NOW - 2 * HOUR, done=0, started_by=User.objects.get(username="root")),
        a_run(NOW - 3 * HOUR, done=0, skipped=1),
        a_run(NOW - 4 * HOUR, state="busy"),
        a_run(NOW - 5 * HOUR, state="running"),
        a_run(NOW - 6 * HOUR),
    ]
    assert shown(root.get(TODAY)) == [run.pk for run in others]
    assert shown(root.get(f"{TODAY}?idle=in")) == [run.pk for run in (*idle, *others)]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("job=nothing", "nothing is not one of the available choices."),
        ("day=yesterday", "Enter a valid date."),
        ("firm=cedar", "There is no firm 'cedar'."),
    ],
)
def test_says_which_filter_cannot_be_read(root: Client, asked: str, sentence: str) -> None:
    assert sentence in text_of(root.get(f"{TODAY}?{asked}"))


def test_does_not_know_the_firms_of_others(client: Client, alder: Firm, birch: Firm) -> None:
    client.force_login(someone("ann", firm=alder))
    assert "There is no firm 'birch'." in text_of(client.get(f"{TODAY}?firm=birch"))


# ---- pages ----------------------------------------------------------------------------------


def test_goes_on_where_the_page_before_ended(root: Client) -> None:
    at_once = [a_run(NOW - timedelta(hours=1)).pk for _ in range(60)]
    a_run(NOW, job=CROWDS)
    first = root.get(f"{TODAY}?job={JOB}")
    assert shown(first) == at_once[:9:-1]
    second = root.get(TODAY + first.context["older"])
    assert shown(second) == at_once[9::-1]
    assert second.context["older"] == ""
    assert f'href="?job={JOB}"' in second.content.decode()  # back to the newest


@pytest.mark.parametrize("before", ["x", "2025-03-31~1", "2025-99-31T00:00:00+00:00~1", "~"])
def test_begins_anew_where_the_place_cannot_be_read(root: Client, before: str) -> None:
    run = a_run()
    assert shown(root.get(f"{TODAY}?before={quote(before)}")) == [run.pk]


# ---- live -----------------------------------------------------------------------------------


def test_asks_again_only_while_something_goes_on(root: Client) -> None:
    run = a_run(state="running")
    a_run()
    page = root.get(TODAY).content.decode()
    assert f'hx-get="{TODAY}?going={run.pk}" hx-trigger="every 5s"' in page
    live = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{TODAY}?job={JOB}"}
    part = root.get(f"{TODAY}?going={run.pk}", headers=live).content.decode()
    assert f'<tr id="run-{run.pk}" hx-swap-oob="true"' in part
    assert "every 5s" in part
    JobRun.objects.update(state="failed", ended_at=NOW)
    part = root.get(f"{TODAY}?going={run.pk}", headers=live).content.decode()
    assert ("failed" in part, "every 5s" in part, "<html" in part) == (True, False, False)
    assert f'name="back" value="{TODAY}?job={JOB}"' in part
    assert "every 5s" not in root.get(TODAY).content.decode()


def test_answers_the_part_of_a_page_to_nobody_else(client: Client, alder: Firm) -> None:
    run = a_run(state="running")
    client.force_login(someone("ann", firm=alder))
    assert client.get(f"{TODAY}?going={run.pk}").status_code == 404
    part = client.get(f"{TODAY}?going={run.pk}", headers={"HX-Request": "true"})
    assert b"<tr" not in part.content


# ---- statements -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["superuser", "grant", "staff"])
def test_takes_twelve_statements_at_most(client: Client, alder: Firm, way: str) -> None:
    ways = {
        "superuser": superuser,
        "grant": lambda: granted("ann"),
        "staff": lambda: someone("ann", firm=alder),
    }
    client.force_login(ways[way]())
    a_schedule()
    cache.clear()

    def some_runs(count: int) -> int:
        for number in range(count):
            an_item(a_run(NOW - timedelta(hours=number, minutes=19)), alder)
        return queries_of(client, TODAY)

    with_one = some_runs(1)
    with_sixty = some_runs(60)
    assert with_one <= 12
    assert with_sixty <= 12
