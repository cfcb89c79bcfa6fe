"""``manage.py jobs``: what the console does, for whoever has a shell."""

import getpass
import io
import json
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import AuditEvent
from apps.console.management.commands.jobs import Command
from apps.firms.models import Firm
from apps.jobs.models import JobPause, JobRun
from tests import factories as make
from tests.console.browsing import last_run, work_off
from tests.console.world import NOW, a_run, a_schedule, an_item
from tests.jobs.work import GREET, contacts, greeted, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]

DAY = timedelta(days=1)


def jobs(*words: Any) -> str:
    out = io.StringIO()
    call_command(Command(), *map(str, words), stdout=out)
    return out.getvalue()


def refused(*words: Any) -> str:
    with pytest.raises(CommandError) as caught:
        jobs(*words)
    return str(caught.value)


def data(*words: Any) -> Any:
    return json.loads(jobs(*words, "--json"))


def place() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


# ---- reading --------------------------------------------------------------------------------


def test_lists_jobs_with_their_times_their_last_run_and_their_pause() -> None:
    a_schedule()
    a_run(NOW - DAY, state="partial")
    JobPause.objects.create(job="greet_crowds", reason="Bank holiday", since=NOW - DAY)
    assert jobs("list").splitlines()[:7] == [
        "greet_contacts",
        "    At 10 minutes past the hour (UTC)",
        "    next: 2025-03-31 13:10 UTC   last: ! partly failed, 2025-03-30 12:30 UTC",
        "greet_crowds",
        "    by hand only",
        "    next: –   last: never",
        "    ‖ greet_crowds is paused: Bank holiday",
    ]
    assert [job["next_at"] for job in data("list")["jobs"]] == [
        *("2025-03-31 13:10 UTC", None, None),
    ]


def test_shows_a_job_with_its_options_and_last_runs() -> None:
    run = a_run(done=3, money={"USD": 1_250})
    said = jobs("show", "greet_contacts")
    assert said.startswith("greet_contacts: Greet every contact once.\n")
    assert "  --days-ago: Only contacts this old (100% of them).\n" in said
    assert said.endswith(
        f"{run.pk:>7}  2025-03-31 12:30 UTC  ✓ done  greet_contacts: 3 done, $12.50"
        "  (Schedule “greet_contacts”)\n"
    )
    assert data("show", "greet_contacts")["runs"][0]["money"] == {"USD": 1_250}
    assert refused("show", "nothing") == "There is no job 'nothing'."


def test_lists_runs_narrowed_down() -> None:
    old = a_run(NOW - 2 * DAY, state="partial", failed=1)
    crowds = a_run(NOW - DAY, job="greet_crowds")
    new = a_run(NOW)

    def numbers(*words: Any) -> list[int]:
        return [run["run"] for run in data("runs", *words)["runs"]]

    assert numbers() == [new.pk, crowds.pk, old.pk]
    assert numbers("--job", "greet_crowds") == [crowds.pk]
    assert numbers("--state", "partial") == numbers("--failed") == [old.pk]
    assert numbers("--since", "2025-03-30") == [new.pk, crowds.pk]
    assert numbers("--since", "2025-03-30T12:31") == [new.pk]
    assert numbers("--limit", 1) == [new.pk]
    assert jobs("runs", "--state", "lost") == "No run fits.\n"
    assert refused("runs", "--limit", 0) == "--limit must be a positive integer."
    assert refused("runs", "--since", "soon") == (
        "--since must be a day or a time in UTC, such as 2025-04-01 or 2025-04-01T09:00."
    )


def test_shows_a_run_and_its_items(ours: Firm) -> None:
    run = a_run(
        state="partial",
        done=1,
        failed=1,
        arguments={"days_ago": 3},
        problem="1 item(s) failed.",
    )
    an_item(run, ours, action="greet", amount_minor=500, currency="USD")
    an_item(run, ours, outcome="failed", detail="hoarse", subject_part="2025")
    assert jobs("run-show", run.pk, "--items").splitlines() == [
        f"greet_contacts #{run.pk}: ! partly failed",
        "  1 item(s) failed.",
        "  1 done, 1 failed",
        "  started 2025-03-31 12:30 UTC by Schedule “greet_contacts”",
        "  took 2.0 s, waited –",
        "  days_ago=3",
        "  ✓ Contact of Ours: done, greet, $5.00",
        "  ✗ Contact of Ours (2025): failed, hoarse",
    ]
    assert "greet, $5.00" not in jobs("run-show", run.pk, "--failed")
    assert [i["detail"] for i in data("run-show", run.pk, "--failed")["items"]] == ["hoarse"]
    assert "items" not in data("run-show", run.pk)
    assert refused("run-show", 0) == "Run 0 does not exist."


def test_shows_the_coming_days_in_a_firm_s_zone() -> None:
    a_schedule("0 4 * * *")
    a_schedule("10 * * * *", func="apps.jobs.services.greet_crowds", name="crowds")
    firm = make.FirmFactory(timezone="Asia/Tokyo")
    assert jobs("calendar").splitlines() == [
        "Mon 2025-03-31 (UTC)",
        "  13:10, 14:10, 15:10 and 8 times more  greet_crowds",
        "Tue 2025-04-01 (UTC)",
        "  00:10, 01:10, 02:10 and 10 times more  greet_crowds",
        "  04:00  greet_contacts",
    ]
    shown = data("calendar", "--firm", firm.pk, "--days", 2)
    assert shown["zone"] == "Asia/Tokyo"
    assert shown["days"]["2025-04-01"]["greet_contacts"] == ["13:00"]
    assert refused("calendar", "--days", 0) == "--days must be a positive integer."
    assert refused("calendar", "--firm", 0) == "Firm with ID 0 does not exist."


def test_tells_the_difference_of_two_runs(ours: Firm) -> None:
    before, after = a_run(NOW - DAY), a_run(NOW)
    for run, key, minor in ((before, "a", 100), (before, "b", 1), (after, "a", 150)):
        an_item(
            run,
            ours,
            subject_key=key,
            subject_label=key.upper(),
            amount_minor=minor,
            currency="USD",
            recorded_at=run.started_at,
        )
    an_item(after, ours, subject_key="c", subject_label="C", recorded_at=NOW)
    assert jobs("diff", after.pk).splitlines() == [
        f"{before} → {after}",
        "  + C: done",
        "  ~ A: done, $1.00 → done, $1.50",
        "  - B: done, $0.01",
    ]
    assert jobs("diff", after.pk, before.pk) == jobs("diff", after.pk)
    assert [d["difference"] for d in data("diff", after.pk)["differences"]] == [
        *("new", "changed", "gone"),
    ]
    assert jobs("diff", after.pk, after.pk).endswith("No item is new, changed or gone.\n")
    assert refused("diff", before.pk) == (
        "There is no earlier run of greet_contacts like it to compare with."
    )


# ---- acting ---------------------------------------------------------------------------------


def test_plans_here_and_applies_exactly_that() -> None:
    firm = contacts("", "")[0].firm
    said = jobs("plan", "greet_contacts", "--firm-id", firm.pk)
    preview = last_run()
    assert said.splitlines() == [
        "Greeting contacts...",
        "  ✓ A: would be greeted",
        "  ✓ B: would be greeted",
        "",
        "Summary:",
        "  Would greet: 2",
        "  Cost: $0.00",
        "  Skipped: 0",
        "  Errors: 0",
        f"Preview {preview.pk}. Apply exactly this: manage.py jobs apply {preview.pk}",
    ]
    assert (preview.dry_run, preview.arguments, preview.source, greeted()) == (
        *(True, {"firm_id": firm.pk, "dry_run": True}, "command", []),
    )
    make.ContactFactory(firm=firm, display_name="New")
    assert "  Stale: 0" in jobs("apply", preview.pk)
    run = last_run()
    assert (run.preview, greeted()) == (preview, ["A", "B"])
    assert [(e.action, e.changes) for e in AuditEvent.objects.order_by("pk")] == [
        (
            "job_preview",
            {"job": GREET.name, "arguments": preview.arguments, "from": place()},
        ),
        ("job_apply", {"job": GREET.name, "preview": preview.pk, "from": place()}),
    ]
    assert refused("apply", preview.pk) == (
        f"Run {preview.pk} has been applied already (run {run.pk})."
    )


def test_lists_jobs_in_as_many_statements_for_many_runs(
    django_assert_max_num_queries: Any,
) -> None:
    a_schedule()
    for job in (GREET.name, "greet_crowds"):
        a_run(NOW - DAY, job=job)
    with django_assert_max_num_queries(3):
        assert "last: ✓ done, 2025-03-30 12:30 UTC" in jobs("list")


def test_says_why_a_thing_was_taken_or_left(ours: Firm) -> None:
    contact = make.ContactFactory(firm=ours, display_name="Ada Lovelace")
    run = a_run(NOW - DAY)
    an_item(run, ours, outcome="failed", detail="the greeter is hoarse",
            subject_key=str(contact.pk), subject_label="Ada Lovelace")  # fmt: skip
    said = jobs("why", "ada", "lovelace").splitlines()
    assert said[:2] == [
        "contact Ada Lovelace",
        "greet_contacts failed last time: the greeter is hoarse",
    ]
    assert f"run {run.pk}: ✗ the greeter is hoarse" in said[4]
    told = data("why", "Ada Lovelace")
    assert [(one["job"], one["last"]["run"]) for one in told["jobs"]] == [(GREET.name, run.pk)]
    assert jobs("why", "Nobody") == "Nothing is found for “Nobody”.\n"


def test_plans_as_json_and_fails_as_the_job_does() -> None:
    contacts("", "raises")
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        call_command(Command(), "plan", "greet_crowds", "--json", stdout=out)
    assert json.loads(out.getvalue())["counts"]["failed"] == 1


def test_cancels_pauses_resumes_and_retries() -> None:
    going = a_run(state="running")
    assert jobs("cancel", going.pk) == (
        f"Run {going.pk} was asked to stop after its current item.\n"
    )
    assert refused("cancel", going.pk) == (
        f"Run {going.pk} is over, or was asked to stop already."
    )
    assert jobs("pause", GREET.name, "--until", "2025-04-01", "--reason", "Easter") == (
        "greet_contacts is paused until 2025-04-01 00:00 UTC: Easter.\n"
    )
    assert refused("pause", GREET.name, "--until", "2025-01-01", "--reason", "x") == (
        "The pause must end in the future."
    )
    assert jobs("resume", GREET.name) == (
        "greet_contacts is resumed; what was due meanwhile comes up at its next time.\n"
    )
    assert refused("resume", GREET.name) == "greet_contacts is not paused."
    contacts("raises")
    run = run_job(GREET)
    said = jobs("retry", run.pk)
    again = last_run()
    assert said == f"Run {again.pk} waits to take up what failed in run {run.pk}.\n"
    work_off()
    assert JobRun.objects.get(pk=again.pk).state == "failed"
    events = AuditEvent.objects.order_by("pk").values_list("action", "changes__from")
    assert list(events) == [
        (action, place()) for action in ("job_cancel", "job_pause", "job_resume", "job_retry")
    ]


@pytest.mark.parametrize("words", [(), ("dance",), ("plan",), ("plan", "nothing"), ("show",)])
def test_names_what_it_does_not_understand(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=r"required: VERB|invalid choice|required: JOB|JOB"):
        jobs(*words)


@pytest.mark.slow
def test_exits_as_commands_do_and_minds_a_reader_who_has_gone() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    command = f"{sys.executable} manage.py jobs"
    done = subprocess.run(
        f"{command} --help | head -n 1; {command} dance 2>/dev/null; echo $?",
        shell=True,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "2"
    assert "Traceback" not in done.stderr
