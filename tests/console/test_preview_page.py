"""The page of a preview: it says …"""

from datetime import timedelta
from typing import Any

import pytest

from apps.console.confirming import FEW, MANY, Care, needed
from apps.console.usual import Usual, usual_of
from apps.firms.models import Firm
from apps.jobs.models import JobRun
from tests.console.browsing import browser_of, last_run, messages_of, press, text_of, visit
from tests.console.world import NOW, a_run, an_item, granted, superuser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]

APPLY = "Apply exactly this"


def a_preview(**fields: Any) -> JobRun:
    at = fields.pop("at", NOW - timedelta(hours=1))
    return a_run(at, **{"dry_run": True, "source": "console", "done": 3} | fields)


def usual_runs(*figures: tuple[int, int], **fields: Any) -> None:
    for n, (done, cents) in enumerate(figures):
        at = NOW - timedelta(days=n + 1)
        a_run(at, done=done, money={"USD": cents} if cents else {}, **fields)


def shown(run: JobRun) -> str:
    return text_of(visit(browser_of(superuser()), "run", run.pk))


def test_what_would_happen_and_until_when_it_may_be_applied(ours: Firm) -> None:
    preview = a_preview(done=1, money={"USD": 149_900, "JPY": 1_200})
    an_item(preview, ours, action="greet", amount_minor=149_900, currency="USD")
    text = shown(preview)
    assert f"Preview {preview.pk}: greet_contacts ✓ done (preview)" in text
    assert "¥1,200 would move $1,499.00 would move" in text
    assert "greet $1,499.00 Ours" in text
    assert "May be applied until 30 Apr 2025, 11:30 UTC." in text
    assert "It moves money. Apply exactly this …" in text
    assert "Too few runs did anything yet to say what is usual." in text


def test_what_is_usual_and_that_this_is_not() -> None:
    usual_runs((120, 4_800_000), (140, 5_200_000), (130, 5_000_000), (0, 0))
    usual_runs((9_000, 1), arguments={"firm_id": 1})
    preview = a_preview(done=310, money={"USD": 9_900_000})
    text = shown(preview)
    assert (
        "In the last 3 runs that did something: 120–140 items, $48,000.00–$52,000.00. "
        "This would do 310, $99,000.00." in text
    )
    assert "Usually 120–140 items; this would do 310." in text
    assert "Usually $48,000.00–$52,000.00; this would be $99,000.00." in text


def test_what_is_usual_of_runs_that_did_something_alone() -> None:
    usual_runs((0, 0), (5, 0), (0, 0), (7, 0))
    usual_runs((99, 0), state="crashed")
    preview = a_preview()
    assert usual_of(preview) is None
    a_run(NOW - timedelta(days=9), done=6)
    assert usual_of(preview) == Usual(3, (5, 7), {})
    assert usual_of(preview).outside(a_preview(done=5)) == []  # type: ignore[union-attr]
    assert "Usually 5–7 items; this would do 3." in shown(preview)


def test_money_in_a_currency_that_never_came_up() -> None:
    usual = Usual(3, (1, 3), {"USD": (100, 100)})
    assert usual.outside(JobRun(done=2, money={"USD": 100, "KWD": 1_500})) == [
        "Usually nothing in KWD; this would be 1.500 KWD."
    ]
    assert str(usual) == "1–3 items, $1.00"


def test_that_the_real_run_would_be_blocked() -> None:
    problem = "1 item(s) failed; see the log. Would be blocked: More than 2 items in one run."
    text = shown(a_preview(problem=problem, state="partial", failed=1))
    assert "Would be blocked: More than 2 items in one run." in text


@pytest.mark.parametrize(
    ("fields", "usual", "care", "why"),
    [
        ({"done": FEW}, None, Care.PRESS, ()),
        ({"done": FEW + 1}, None, Care.TICK, ("More than 20 items.",)),
        ({"money": {"USD": 1}}, None, Care.TICK, ("It moves money.",)),
        ({"money": {"USD": 0}}, None, Care.PRESS, ()),
        ({"failed": 2}, None, Care.TICK, ("2 items failed already in the preview.",)),
        ({"done": MANY}, None, Care.TICK, ("More than 20 items.",)),
        ({"done": MANY + 1}, None, Care.TYPE, ("More than 500 items.",)),
        ({"done": 3}, Usual(3, (1, 3), {}), Care.PRESS, ()),
        (
            {"done": 4},
            Usual(3, (1, 3), {}),
            Care.TYPE,
            ("Usually 1–3 items; this would do 4.",),
        ),
        (
            {"problem": "Would be blocked: More than $1.00 in one run."},
            None,
            Care.TYPE,
            ("Would be blocked: More than $1.00 in one run.",),
        ),
    ],
)
def test_as_much_to_confirm_as_it_may_do_harm(
    fields: dict[str, Any], usual: Usual | None, care: Care, why: tuple[str, ...]
) -> None:
    asked = needed(JobRun(**{"done": 1} | fields), usual)
    assert (asked.care, asked.why) == (care, why)


def test_what_its_job_does_that_cannot_be_taken_back() -> None:
    asked = needed(JobRun(done=1), None, harm="charges cards")
    assert (asked.care, asked.why) == (Care.TICK, ("It charges cards.",))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"state": "running"}, "has not ended yet."),
        ({"state": "blocked"}, "ended as blocked and cannot be applied."),
        ({"at": NOW - timedelta(days=31)}, "is older than 30 days and cannot be applied."),
        (
            {"arguments": {"as_of": "2025-01-01", "dry_run": True}},
            "looked at 2025-01-01 and cannot be applied.",
        ),
        ({"done": 0}, "There is nothing to apply: it would do nothing."),
        ({"job": "forgotten"}, "There is no job 'forgotten'."),
    ],
)
def test_why_it_cannot_be_applied(fields: dict[str, Any], sentence: str) -> None:
    text = shown(a_preview(**fields))
    assert sentence in text
    assert APPLY not in text


def test_why_it_cannot_be_applied_again() -> None:
    preview = a_preview()
    going = a_run(NOW, preview=preview, state="queued", queued_at=NOW)
    text = shown(preview)
    assert f"Run {preview.pk} is being applied already (run {going.pk})." in text
    JobRun.objects.filter(pk=going.pk).update(state="partial", ended_at=NOW)
    browser = browser_of(granted("vera", "approve"))
    assert APPLY in text_of(visit(browser, "run", preview.pk))  # what is left of it
    JobRun.objects.filter(pk=going.pk).update(state="done")
    text = text_of(visit(browser, "run", preview.pk))
    assert f"Run {preview.pk} has been applied already (run {going.pk})." in text
    assert f"Applied by run {going.pk} ✓ done" in text


def test_that_who_may_not_apply_it_may_look() -> None:
    preview = a_preview()
    text = text_of(visit(browser_of(granted("vera", "run")), "run", preview.pk))
    assert "You may look at this preview, but not apply it." in text
    assert APPLY not in text


def test_how_it_is_made_again_with_the_same_arguments() -> None:
    preview = a_preview(arguments={"days_ago": 3, "dry_run": True})
    browser = browser_of(granted("pat", "preview"))
    page = press(browser, "run-again", preview.pk)
    again = last_run()
    assert (again.dry_run, again.arguments, again.started_by.username) == (  # type: ignore[union-attr]
        *(True, {"days_ago": 3, "dry_run": True}, "pat"),
    )
    assert messages_of(page) == [f"Preview {again.pk} waits in the queue."]
    real = a_run()
    said = messages_of(press(browser, "run-again", real.pk))
    assert said == [f"Run {real.pk} is no preview."]
