"""The command of a job: what it prints, and how it ends."""

import io
import json
import signal
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.contacts.models import Contact
from apps.core.reports import Report, Subject
from apps.jobs.commands import JobCommand
from apps.jobs.job import DRY_RUN, Job, Option
from apps.jobs.models import JobRun
from apps.jobs.recording import recorded
from tests.jobs.greet import Command as Greet
from tests.jobs.work import CROWDS, GREET, SECRET, TIGHT, Reason, contacts, greeted

pytestmark = pytest.mark.django_db

State = JobRun.State


class Crowds(JobCommand):
    declared = CROWDS


class Bounded(JobCommand):
    declared = Job(service=GREET.service, options=GREET.options, bound=TIGHT)


def said_by(command: JobCommand, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, stdout=out, **options)
    return out.getvalue()


def said_before_failing(command: JobCommand, **options: Any) -> tuple[str, str]:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command(command, stdout=out, **options)
    return out.getvalue(), str(error.value)


def command_of(service: Any, *options: Option, **how: Any) -> JobCommand:
    class Command(JobCommand):
        declared = Job(service=service, options=(*options, DRY_RUN), **how)

    return Command()


# ---- what it prints -------------------------------------------------------------------------


def test_prints_heading_items_and_summary() -> None:
    contacts("", "skips", "is silent", "declines", first_name="150000")
    assert said_by(Greet()) == (
        "Greeting contacts...\n"
        "  ✓ A: greeted\n"
        "  - B: not at home\n"
        "  ⚠ D: does not want to\n"
        "\n"
        "Summary:\n"
        "  Greeted: 2\n"
        "  Cost: $1500.00\n"
        "  Skipped: 2\n"
        "  Errors: 0\n"
    )


def test_prints_the_same_for_batches() -> None:
    contacts("", "is left alone", "")
    assert said_by(Crowds()).splitlines()[:4] == [
        "Greeting crowds...",
        "  ✓ A: greeted",
        "  - B: left alone",
        "  ✓ C: greeted",
    ]


def test_prints_a_dry_run_as_would() -> None:
    contacts("")
    assert said_by(Greet(), dry_run=True) == (
        "Greeting contacts...\n"
        "  ✓ A: would be greeted\n"
        "\n"
        "Summary:\n"
        "  Would greet: 1\n"
        "  Cost: $0.00\n"
        "  Skipped: 0\n"
        "  Errors: 0\n"
    )
    assert len(greeted()) == 0


def test_verbosity_0_prints_the_summary_only() -> None:
    contacts("", "skips")
    assert said_by(Greet(), verbosity=0) == (
        "Summary:\n  Greeted: 1\n  Cost: $0.00\n  Skipped: 1\n  Errors: 0\n"
    )


def test_verbosity_2_adds_silent_skips() -> None:
    contacts("is silent")
    assert said_by(Greet(), verbosity=2).splitlines()[1] == "  - A: does not talk"


def test_a_line_of_level_0_is_always_printed() -> None:
    def speak(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run, heading="Speaking...")
        report.says("Firm 7 is suspended; skipped.", level=0)
        report.says("Quietly", level=2)
        return report

    command = command_of(speak)
    assert said_by(command, verbosity=0) == "Firm 7 is suspended; skipped.\n"
    assert said_by(command) == "Speaking...\nFirm 7 is suspended; skipped.\n"
    assert said_by(command, verbosity=2).endswith("Quietly\n")


def test_an_item_may_have_a_bullet_of_its_own() -> None:
    def look(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run)
        with report.attempt(Subject("thing", "1", "One")) as item:
            item.says("One: listed", bullet="•")
        return report

    assert said_by(command_of(look)) == "  • One: listed\n"


def test_a_reader_who_leaves_does_not_stop_the_work() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    contacts("", "")
    call_command(Greet(), stdout=Gone())
    assert len(greeted()) == 2


# ---- one JSON document ----------------------------------------------------------------------


def test_json_is_one_document_and_nothing_else() -> None:
    contacts("", "skips", first_name="1250")
    document = json.loads(said_by(Greet(), json=True))
    run = JobRun.objects.get()
    a, b = Contact.objects.order_by("pk")
    assert document == {
        "job": "greet_contacts",
        "run": run.pk,
        "dry_run": False,
        "preview": None,
        "state": "done",
        "problem": "",
        "counts": {"done": 1, "skipped": 1, "declined": 0, "failed": 0, "stale": 0},
        "money": {"USD": 1250},
        "summary": [
            "",
            "Summary:",
            "  Greeted: 1",
            "  Cost: $12.50",
            "  Skipped: 1",
            "  Errors: 0",
        ],
        "lines": ["Greeting contacts..."],
        "items": [
            {
                "subject": f"contacts.contact:{a.pk}",
                "part": "",
                "label": "A",
                "outcome": "done",
                "action": "greet",
                "reason": "",
                "detail": "",
                "line": "A: greeted",
                "amount_minor": 1250,
                "currency": "USD",
            },
            {
                "subject": f"contacts.contact:{b.pk}",
                "part": "",
                "label": "B",
                "outcome": "skipped",
                "action": "",
                "reason": "away",
                "detail": "is away",
                "line": "B: not at home",
            },
        ],
    }


def test_json_of_a_refusal_says_so_and_exits_1() -> None:
    out, error = said_before_failing(Greet(), json=True, firm_id=999)
    assert error == "Firm with ID 999 does not exist."
    document = json.loads(out)
    assert (document["state"], document["problem"]) == ("failed", error)


def test_json_of_failed_items_exits_1() -> None:
    contacts("raises")
    out, error = said_before_failing(Greet(), json=True)
    assert error == "1 item(s) failed; see the log."
    assert json.loads(out)["items"][0]["detail"] == "ValueError"


# ---- how it ends ----------------------------------------------------------------------------


def test_failed_items_are_printed_and_then_exit_1() -> None:
    contacts("raises", "", "explains")
    out, error = said_before_failing(Greet())
    assert error == "2 item(s) failed; see the log."
    assert out == (
        "Greeting contacts...\n"
        "  ✗ A: ValueError\n"
        "  ✓ B: greeted\n"
        "  ✗ C: the greeter is hoarse\n"
        "\n"
        "Summary:\n"
        "  Greeted: 1\n"
        "  Cost: $0.00\n"
        "  Skipped: 0\n"
        "  Errors: 2\n"
    )
    assert SECRET not in out


def test_a_bad_option_is_refused_and_leaves_a_failed_run_only() -> None:
    contacts("")
    assert said_before_failing(Greet(), firm_id=999) == ("", "Firm with ID 999 does not exist.")
    run = JobRun.objects.get()
    assert (run.state, run.problem, run.arguments, run.source) == (
        State.FAILED,
        "Firm with ID 999 does not exist.",
        {"firm_id": 999},
        JobRun.Source.COMMAND,
    )
    assert (len(greeted()), run.items.count()) == (0, 0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days_ago": -1}, "--days-ago must be zero or a positive integer."),
        ({"as_of": "2025-03-01"}, "--as-of can only be used with --dry-run."),
        (
            {"as_of": "1 March", "dry_run": True},
            "Invalid date '1 March' for --as-of. Use YYYY-MM-DD.",
        ),
    ],
)
def test_options_are_refused_with_their_sentence(
    options: dict[str, Any], sentence: str
) -> None:
    assert said_before_failing(Greet(), **options) == ("", sentence)


def test_a_crash_prints_what_was_done_and_only_its_class() -> None:
    def crash(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run, summary=lambda report: [f"{report.done} done."])
        with report.attempt(Subject("thing", "1", "One")) as item:
            item.says("One")
        raise ValueError(SECRET)

    assert said_before_failing(command_of(crash)) == (
        "  ✓ One\n1 done.\n",
        "ValueError; see the log.",
    )
    assert JobRun.objects.get().state == State.CRASHED


def test_a_busy_job_says_so_and_is_no_error() -> None:
    contacts("")
    with recorded(GREET, {}, source=JobRun.Source.CODE) as recorder:
        started = f"{recorder.run.started_at:%Y-%m-%dT%H:%M:%SZ}"
        assert said_by(Greet()) == (
            f"Another run of greet_contacts is in progress (started {started}); nothing done.\n"
        )
    assert len(greeted()) == 0


def test_a_busy_job_says_so_in_json() -> None:
    with recorded(GREET, {}, source=JobRun.Source.CODE):
        assert json.loads(said_by(Greet(), json=True))["state"] == "busy"


def test_a_blocked_run_prints_its_summary_and_exits_1() -> None:
    contacts("", "", "")
    out, error = said_before_failing(Bounded())
    assert error == "More than 2 items in one run; nothing beyond done."
    assert out.splitlines()[-4:] == [
        "  Greeted: 2",
        "  Cost: $0.00",
        "  Skipped: 0",
        "  Errors: 0",
    ]


def test_a_dry_run_says_that_the_run_would_be_blocked() -> None:
    contacts("", "", "")
    out = said_by(Bounded(), dry_run=True)
    assert out.endswith("\n⚠ Would be blocked: More than 2 items in one run.\n")


@pytest.mark.parametrize("how", ["terminates", "interrupts"])
def test_a_signal_lets_the_current_item_finish(how: str) -> None:
    contacts("", how, "")
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    out, error = said_before_failing(Greet())
    assert error == "Interrupted"
    assert out.splitlines()[:3] == ["Greeting contacts...", "  ✓ A: greeted", "  ✓ B: greeted"]
    assert out.splitlines()[-4] == "  Greeted: 2"
    run = JobRun.objects.get()
    assert (run.state, run.done, len(greeted())) == (State.INTERRUPTED, 2, 2)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_second_ctrl_c_does_not_wait_for_the_item() -> None:
    contacts("", "interrupts twice", "")
    with pytest.raises(KeyboardInterrupt):
        said_by(Greet())
    run = JobRun.objects.get()
    assert (run.state, run.done, len(greeted())) == (State.INTERRUPTED, 1, 1)


# ---- options --------------------------------------------------------------------------------


def test_help_comes_from_the_job() -> None:
    text = " ".join(Greet().create_parser("manage.py", "greet_contacts").format_help().split())
    assert "Greet every contact once." in text
    assert "--firm-id ID Only this firm." in text
    assert "--days-ago N Only contacts this old (100% of them)." in text
    assert "--json Print the outcome as one JSON document." in text


def test_every_option_reaches_the_service() -> None:
    seen: dict[str, Any] = {}

    def take(
        *, name: str = "", many: int = 3, way: str = "up", dry_run: bool = False
    ) -> Report:
        seen.update(name=name, many=many, way=way, dry_run=dry_run)
        return Report(dry_run=dry_run)

    command = command_of(
        take,
        Option("name", str, "", "A name.", flag="--tenant"),
        Option("many", int, 3, "How many."),
        Option("way", str, "up", "Where to.", choices=("up", "down")),
    )
    call_command(command, "--tenant", "acme", "--way", "down", stdout=io.StringIO())
    assert seen == {"name": "acme", "many": 3, "way": "down", "dry_run": False}


def test_a_command_finds_its_job_by_name(settings: Any) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"

    class Command(JobCommand):
        job = "greet_crowds"

    assert Command().declared is CROWDS
    assert Command().help == "Greet every contact once, many at a time."


def test_a_declared_reason_is_what_skips_are_counted_by() -> None:
    contacts("skips", "skips", "is silent")
    said_by(Greet())
    items = JobRun.objects.get().items
    assert items.filter(reason=Reason.AWAY).count() == 2
    assert items.filter(reason=Reason.MUTE).count() == 1
