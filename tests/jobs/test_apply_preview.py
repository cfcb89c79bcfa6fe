"""``apply_preview RUN``: exactly what the preview showed, or a sentence why not."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from apps.contacts.models import Contact
from apps.core import money
from apps.core.reports import Report, Subject
from apps.jobs.job import Job
from apps.jobs.models import JobRun, RunLock
from apps.jobs.recording import recorded
from tests.factories import ContactFactory, FirmFactory
from tests.jobs.work import CROWDS, GREET, greet, greeted

pytestmark = pytest.mark.django_db

State = JobRun.State
both_ways = pytest.mark.parametrize("job", [GREET, CROWDS], ids=lambda job: job.name)


@pytest.fixture(autouse=True)
def jobs(settings: Any) -> None:
    settings.JOBS_MODULE = "tests.jobs.work"


def contacts(*names: str, cost: str = "150000") -> list[Contact]:
    firm = FirmFactory()
    return [ContactFactory(firm=firm, display_name=name, first_name=cost) for name in names]


def preview(job: Job, **arguments: Any) -> JobRun:
    arguments["dry_run"] = True
    with recorded(job, arguments, source=JobRun.Source.COMMAND) as recorder:
        job.service(**arguments)
    return recorder.run


def apply(run: JobRun | int, **options: Any) -> str:
    out = io.StringIO()
    call_command(
        "apply_preview", run.pk if isinstance(run, JobRun) else run, stdout=out, **options
    )
    return out.getvalue()


def application() -> JobRun:
    return JobRun.objects.real().latest("pk")


# ---- doing it -------------------------------------------------------------------------------


def test_does_what_was_shown_and_prints_what_the_job_prints() -> None:
    contacts("Ada", "Bob")
    run = preview(GREET)
    assert apply(run) == (
        "Greeting contacts...\n"
        "  ✓ Ada: greeted\n"
        "  ✓ Bob: greeted\n"
        "\n"
        "Summary:\n"
        "  Greeted: 2\n"
        "  Cost: $3000.00\n"
        "  Skipped: 0\n"
        "  Errors: 0\n"
        "  Stale: 0\n"
    )
    assert greeted() == ["Ada", "Bob"]
    assert (application().preview, application().state) == (run, State.DONE)


@both_ways
def test_what_was_not_shown_is_not_done(job: Job) -> None:
    contacts("Ada")
    run = preview(job)
    contacts("Bob")
    assert "Bob" not in apply(run)
    assert greeted() == ["Ada"]
    assert (application().done, application().items.count()) == (1, 1)


@both_ways
def test_trouble_with_what_was_not_shown_is_nobody_s_business(job: Job) -> None:
    contacts("Ada")
    run = preview(job)
    ContactFactory(display_name="Bob", last_name="raises")
    ContactFactory(display_name="Cleo", last_name="skips")
    apply(run)
    assert (application().state, application().items.count()) == (State.DONE, 1)


@both_ways
def test_a_changed_item_is_stale_with_the_difference(job: Job) -> None:
    ada, *_ = contacts("Ada", "Bob", "Cleo")
    run = preview(job)
    Contact.objects.filter(pk=ada.pk).update(first_name="153500")
    out = apply(run)
    assert "  - Ada: previewed $1500.00, now $1535.00\n" in out
    assert out.endswith("  Stale: 1\n")
    assert greeted() == ["Bob", "Cleo"]
    stale = application().items.get(outcome="stale")
    assert (stale.subject_label, stale.detail) == ("Ada", "previewed $1500.00, now $1535.00")
    assert (application().state, application().money) == (State.DONE, {"USD": 300_000})


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ("", "5", "previewed no amount, now $0.05"),
        ("5", "", "previewed $0.05, now no amount"),
    ],
)
def test_an_amount_that_came_or_went_is_a_difference(
    before: str, after: str, difference: str
) -> None:
    contacts("Ada", cost=before)
    run = preview(GREET)
    Contact.objects.update(first_name=after)
    assert f"  - Ada: {difference}\n" in apply(run)


def test_another_action_is_a_difference() -> None:
    contacts("Ada")
    run = preview(GREET)
    run.items.update(action="insult")
    assert "  - Ada: previewed “insult”, now “greet”\n" in apply(run)
    assert greeted() == []


@both_ways
def test_what_is_no_longer_due_is_stale(job: Job) -> None:
    ada, bob = contacts("Ada", "Bob")
    run = preview(job)
    Contact.objects.filter(pk=ada.pk).update(locale="fr")
    out = apply(run)
    assert "  - Ada: no longer due\n" in out
    assert out.endswith("  Stale: 1\n")
    item = application().items.get(outcome="stale")
    assert (item.subject_key, item.detail, item.amount_minor, item.firm) == (
        str(ada.pk),
        "no longer due",
        150_000,
        bob.firm,
    )


@both_ways
def test_a_failure_is_a_failure(job: Job) -> None:
    ada, _ = contacts("Ada", "Bob")
    run = preview(job)
    Contact.objects.filter(pk=ada.pk).update(last_name="raises")
    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        apply(run)
    assert greeted() == ["Bob"]
    assert application().state == State.PARTIAL


def test_the_preview_s_own_arguments_are_used() -> None:
    (ada,), (bob,) = contacts("Ada"), contacts("Bob")
    run = preview(GREET, firm_id=ada.firm_id)
    apply(run)
    assert greeted() == ["Ada"]
    assert application().arguments == {"firm_id": ada.firm_id}
    assert bob.firm_id != ada.firm_id


def test_a_preview_that_showed_nothing_does_nothing() -> None:
    run = preview(GREET)
    contacts("Ada")
    apply(run)
    assert greeted() == []


def test_the_effects_on_one_subject_are_compared_in_their_order() -> None:
    def twice(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run)
        for amount in fees:
            with report.attempt(Subject("lease", "12", "Lease 12")) as item:
                item.does("charge a fee", money.from_minor(amount, "USD"))
        with report.attempt(Subject("lease", "12", "Lease 12")):
            pass  # writes what came of it
        return report

    job = Job(service=twice)
    fees = [500, 200]
    shown = preview(job)
    fees = [500, 300, 400]
    with recorded(job, {}, source=JobRun.Source.COMMAND, preview=shown) as recorder:
        job.service()
    items = recorder.run.items.order_by("position").values_list("outcome", "detail")
    assert list(items) == [
        ("done", ""),
        ("stale", "previewed $2.00, now $3.00"),
        ("stale", "previewed no amount, now $4.00"),
        ("done", ""),
    ]


def test_an_effect_more_than_was_shown_is_stale() -> None:
    def fees(*, dry_run: bool = False) -> Report:
        report = Report(dry_run=dry_run)
        for _ in range(times):
            with report.attempt(Subject("lease", "12", "Lease 12")) as item:
                item.does("charge a fee", money.from_minor(500, "USD"))
        return report

    job = Job(service=fees)
    times = 1
    shown = preview(job)
    times = 2
    with recorded(job, {}, source=JobRun.Source.COMMAND, preview=shown) as recorder:
        job.service()
    assert (recorder.run.done, recorder.run.stale) == (1, 1)
    assert recorder.run.items.get(outcome="stale").detail == "not in the preview"


# ---- the words ------------------------------------------------------------------------------


def test_verbosity_0_prints_the_summary_only() -> None:
    contacts("Ada")
    assert apply(preview(GREET), verbosity=0) == (
        "Summary:\n  Greeted: 1\n  Cost: $1500.00\n  Skipped: 0\n  Errors: 0\n  Stale: 0\n"
    )


def test_json_holds_the_stale_items_too() -> None:
    ada, bob = contacts("Ada", "Bob")
    run = preview(GREET)
    Contact.objects.filter(pk=ada.pk).update(first_name="153500")
    Contact.objects.filter(pk=bob.pk).update(locale="fr")
    document = json.loads(apply(run, json=True))
    assert (document["preview"], document["counts"]["stale"]) == (run.pk, 2)
    assert [(i["label"], i["outcome"], i["detail"]) for i in document["items"]] == [
        ("Ada", "stale", "previewed $1500.00, now $1535.00"),
        ("Bob", "stale", "no longer due"),
    ]


# ---- what cannot be applied -----------------------------------------------------------------


def refusal(run: JobRun | int) -> str:
    runs = JobRun.objects.count()
    with pytest.raises(CommandError) as error:
        apply(run)
    assert JobRun.objects.count() == runs
    return str(error.value)


def test_an_unknown_run_is_refused() -> None:
    assert refusal(99) == "Run 99 does not exist."


def test_a_real_run_is_refused() -> None:
    with recorded(GREET, {}, source=JobRun.Source.COMMAND) as recorder:
        GREET.service()
    assert refusal(recorder.run) == f"Run {recorder.run.pk} is not a preview."


def test_a_preview_that_goes_on_is_refused() -> None:
    run = JobRun.objects.create(job="greet_contacts", dry_run=True, source="command")
    assert refusal(run) == f"Run {run.pk} has not ended yet."


@pytest.mark.parametrize("state", [State.CRASHED, State.CANCELLED, State.LOST, State.FAILED])
def test_a_preview_that_did_not_get_through_is_refused(state: str) -> None:
    run = JobRun.objects.create(
        job="greet_contacts",
        dry_run=True,
        source="command",
        state=state,
        ended_at=timezone.now(),
    )
    assert refusal(run) == f"Run {run.pk} ended as {state} and cannot be applied."


def test_a_look_at_another_day_is_refused() -> None:
    contacts("Ada")
    run = preview(GREET, as_of="2025-03-01")
    assert refusal(run) == f"Run {run.pk} looked at 2025-03-01 and cannot be applied."


def test_a_job_that_is_no_more_is_refused() -> None:
    run = preview(GREET)
    JobRun.objects.update(job="renamed_since")
    assert refusal(run) == "There is no job 'renamed_since'."


def test_arguments_that_the_job_no_longer_takes_are_refused() -> None:
    run = preview(GREET)
    JobRun.objects.update(arguments={"dry_run": True, "loudly": True})
    assert refusal(run) == "greet_contacts has no argument 'loudly'."


def test_what_has_been_applied_is_refused() -> None:
    contacts("Ada")
    run = preview(GREET)
    apply(run)
    first = application()
    assert refusal(run) == f"Run {run.pk} has been applied already (run {first.pk})."


def test_what_was_applied_in_part_may_be_applied_again() -> None:
    ada, _ = contacts("Ada", "Bob")
    run = preview(GREET)
    Contact.objects.filter(pk=ada.pk).update(last_name="raises")
    with pytest.raises(CommandError):
        apply(run)
    Contact.objects.filter(pk=ada.pk).update(last_name="")
    out = apply(run)
    assert "  ✓ Ada: greeted\n" in out
    assert "  - Bob: no longer due\n" in out
    assert greeted() == ["Ada", "Bob"]
    assert (application().state, application().done, application().stale) == (State.DONE, 1, 1)


def test_while_the_job_runs_nothing_is_applied() -> None:
    contacts("Ada")
    run = preview(GREET)
    with recorded(GREET, {}, source=JobRun.Source.COMMAND):
        assert apply(run).startswith("Another run of greet_contacts is in progress (started ")
    assert greeted() == []
    assert RunLock.objects.filter(expires_at__isnull=False).count() == 0


def test_a_lost_application_goes_on_where_it_was(django_user_model: Any) -> None:
    """A delivery of the queue that applies a preview, and loses its worker half-way."""
    ada, bob = contacts("Ada", "Bob")
    shown = preview(GREET)
    task = {"id": "a" * 32, "started": timezone.now()}
    how: dict[str, Any] = {"source": JobRun.Source.CONSOLE, "task": task, "preview": shown}
    with recorded(GREET, {}, **how) as recorder:
        recorder.beat_every = 0
        report = Report()
        with report.attempt(ada) as item:
            greet(item)
        recorder.beat()
        JobRun.objects.filter(pk=recorder.run.pk).update(state=State.LOST, starts=1)
        with recorded(GREET, {}, **how) as again:
            GREET.service()
    assert (again.run.state, again.run.done, again.run.stale) == (State.DONE, 2, 0)
    assert greeted() == ["Ada", "Bob"]
    assert bob.firm_id == ada.firm_id
