"""What the reading verbs of ``manage.py jobs`` answer: lines to print, and a document.

Each function returns both as what makes them: a run may have very many items, and only one of
the two is wanted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from apps.console.comparing import Comparison, Difference, comparable_to, compare
from apps.console.exports import entry_of
from apps.console.items import Filter, Items, walk
from apps.console.progress import progress_of
from apps.console.signs import STATES
from apps.console.templatetags.console import length
from apps.console.terminal import words
from apps.console.why import data as why_data
from apps.console.why import lines as why_lines
from apps.core.problems import BadOption
from apps.firms.services import find_firm
from apps.jobs.figures import newest_runs
from apps.jobs.job import Job, find, registry
from apps.jobs.models import JobPause, JobRun
from apps.jobs.timetable import Timing, next_due, timings

Answer = tuple[Iterator[str], Callable[[], dict[str, Any]]]

RESTS = STATES[JobRun.State.PAUSED][0]
SHOWN = 3  # times of a day that the calendar names; more are counted
LAST = 5  # runs that ``show`` lists


def find_run(pk: int) -> JobRun:
    """Return a run by its number; raises ``BadOption`` for an unknown one."""
    related = ("started_by", "preview", "retry_of", "cancel_requested_by")
    run = JobRun.objects.select_related(*related).filter(pk=pk).first()
    if run is None:
        raise BadOption(f"Run {pk} does not exist.")
    return run


# ---- jobs -----------------------------------------------------------------------------------


def list_jobs() -> Answer:
    """Every job: its schedules in words, when it runs next, how its last run ended."""
    jobs = _documents(registry())

    def lines() -> Iterator[str]:
        for job in jobs:
            yield job["job"]
            yield f"    {'; '.join(row['when'] for row in job['schedules']) or 'by hand only'}"
            yield f"    next: {job['next_at'] or '–'}   last: {job['last'] or 'never'}"
            if job["paused"]:
                yield f"    {RESTS} {job['paused']}"

    return lines(), lambda: {"jobs": jobs}


def show_job(name: str) -> Answer:
    """One job: what it does, its options, its schedules, its last runs."""
    job = find(name)
    [document] = _documents([job])
    runs = list(JobRun.objects.of(job.name).select_related("started_by").order_by("-pk")[:LAST])
    document |= {
        "summary": job.summary,
        "options": {option.switch: option.help for option in job.options},
        "runs": [words.run_document(run) for run in runs],
    }

    def lines() -> Iterator[str]:
        yield f"{job.name}: {job.summary}"
        for row in document["schedules"]:
            yield f"  {row['when']}" + (f" ({row['arguments']})" if row["arguments"] else "")
        yield f"  next: {document['next_at'] or '–'}"
        if document["paused"]:
            yield f"  {RESTS} {document['paused']}"
        yield "Options:"
        for option in job.options:
            yield f"  {option.switch}: {option.help}"
        yield "Last runs:"
        yield from map(words.run_line, runs)

    return lines(), lambda: document


def _documents(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Return what there is to say of some jobs; in three statements, however many."""
    now, wanted = timezone.now(), list(jobs)
    own, pauses = _timings(), _pauses(now)
    newest = newest_runs(wanted, among=JobRun.objects.real())
    return [
        _document(job, own[job.name], pauses.get(job.name), newest.get(job.name), now)
        for job in wanted
    ]


def _document(
    job: Job, own: list[Timing], pause: JobPause | None, last: JobRun | None, now: datetime
) -> dict[str, Any]:
    soon = next_due(own, pause, after=now)
    return {
        "job": job.name,
        "schedules": [{"when": _when(t), "arguments": t.row.kwargs or ""} for t in own],
        "next_at": words.at(soon) if soon else None,
        "last": f"{words.state_of(last)}, {words.at(last.started_at)}" if last else None,
        "last_run": last.pk if last else None,
        "paused": str(pause) if pause else None,
    }


def _timings() -> dict[str, list[Timing]]:
    found: dict[str, list[Timing]] = defaultdict(list)
    for timing in timings():
        found[timing.job.name].append(timing)
    return found


def _pauses(now: datetime) -> dict[str, JobPause]:
    return {pause.job: pause for pause in JobPause.objects.in_force(now)}


def _when(timing: Timing) -> str:
    return f"{timing.in_words} (UTC)"


# ---- runs -----------------------------------------------------------------------------------


def list_runs(
    *, job: str, state: str, failed: bool, since: datetime | None, limit: int
) -> Answer:
    """The newest runs, narrowed down."""
    runs = JobRun.objects.select_related("started_by").order_by("-started_at", "-pk")
    if job:
        runs = runs.filter(job=find(job).name)
    if state:
        runs = runs.filter(state=state)
    if failed:
        runs = runs.filter(failed__gt=0)
    if since:
        runs = runs.filter(started_at__gte=since)
    found = list(runs[:limit])
    lines = map(words.run_line, found) if found else iter(["No run fits."])
    return lines, lambda: {"runs": [words.run_document(run) for run in found]}


def show_run(pk: int, *, items: bool, failed: bool) -> Answer:
    """One run, and on demand its items or what failed of them."""
    run = find_run(pk)
    rows: Items = run.items.all()
    if failed:
        rows = Filter(outcome="failed").on(rows)
    wanted = walk(rows) if items or failed else iter(())
    retries = list(run.retries.order_by("pk").values_list("pk", flat=True))
    applications = list(run.applications.order_by("pk").values_list("pk", flat=True))

    def document() -> dict[str, Any]:
        told: dict[str, Any] = {
            "summary": run.summary.splitlines(),
            "retried_by": retries,
            "applied_by": applications,
        }
        if items or failed:
            told["items"] = [entry_of(run, item) for item in wanted]
        return words.run_document(run) | told

    def lines() -> Iterator[str]:
        yield f"{run}: {words.state_of(run)}"
        if run.problem:
            yield f"  {run.problem}"
        yield f"  {words.counts_of(run)}"
        yield f"  started {words.at(run.started_at)} by {words.starter_of(run)}"
        yield f"  took {length(run.took)}, waited {length(run.waited)}"
        if run.state == JobRun.State.RUNNING:
            progress = progress_of(run, now=timezone.now())
            yield f"  {progress.handled} of {progress.expected or '?'} items so far"
        for name, value in run.arguments.items():
            yield f"  {name}={value}"
        if run.preview_id:
            yield f"  applies preview {run.preview_id}"
        if run.retry_of_id:
            yield f"  retries what failed in run {run.retry_of_id}"
        for number in applications:
            yield f"  applied by run {number}"
        for number in retries:
            yield f"  retried by run {number}"
        yield from (words.item_line(item, run) for item in wanted)

    return lines(), document


def show_difference(pk: int, other: int | None) -> Answer:
    """What is new, changed and gone in a run, against another or the one before it."""
    run = find_run(pk)
    before = find_run(other) if other else comparable_to(run, JobRun.objects.all())
    if before is None:
        raise BadOption(f"There is no earlier run of {run.job} like it to compare with.")
    compared = compare(run, before)

    def lines() -> Iterator[str]:
        yield f"{before} → {run}"
        yield from (f"! {caveat}" for caveat in compared.caveats)
        same = True
        for kind, item in _differences(compared):
            same = False
            told = words.effect(item, before if kind == Difference.GONE else run)
            if kind == Difference.CHANGED:
                told = f"{words.effect(item.was, before)} → {told}"
            yield f"  {words.SIGNS[kind]} {words.item_words(item)}: {told}"
        if same:
            yield "No item is new, changed or gone."

    def document() -> dict[str, Any]:
        return {
            "run": run.pk,
            "before": before.pk,
            "caveats": compared.caveats,
            "differences": [
                {"difference": str(kind)}
                | entry_of(run, item)
                | ({"was": entry_of(before, item.was)} if kind == Difference.CHANGED else {})
                for kind, item in _differences(compared)
            ],
        }

    return lines(), document


def _differences(compared: Comparison) -> Iterator[tuple[Difference, Any]]:
    for kind in Difference:
        after = None
        while True:
            page = compared.page(kind, after=after)
            yield from ((kind, item) for item in page.items)
            after = page.after
            if after is None:
                break


# ---- the calendar ----------------------------------------------------------------------------


def show_calendar(*, days: int, firm_id: int | None) -> Answer:
    """What is due on the coming days, in UTC or in a firm's zone, and what rests."""
    now = timezone.now()
    firm = None if firm_id is None else find_firm(firm_id)
    name, slug = (firm.timezone, firm.slug) if firm else ("UTC", "")
    zone = ZoneInfo(name)
    due: dict[Any, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for job, own in _timings().items():
        for timing in own:
            if firm_id is not None and not timing.reaches(firm_id, slug):
                continue  # another firm's own
            for moment in timing.times(now, now + timedelta(days=days)):
                local = moment.astimezone(zone)
                due[local.date()][job].append(f"{local:%H:%M}")
    pauses = _pauses(now)

    def lines() -> Iterator[str]:
        for pause in pauses.values():
            yield f"{RESTS} {pause}"
        for day in sorted(due):
            yield f"{day:%a %Y-%m-%d} ({name})"
            for job, times in sorted(due[day].items(), key=lambda each: min(each[1])):
                first, rest = _first(times)
                more = f" and {rest} times more" if rest else ""
                rests = f" {RESTS}" if job in pauses else ""
                yield f"  {', '.join(first)}{more}  {job}{rests}"

    document: dict[str, Any] = {
        "zone": name,
        "days": {
            day.isoformat(): {job: sorted(set(times)) for job, times in jobs.items()}
            for day, jobs in sorted(due.items())
        },
        "paused": {job: str(pause) for job, pause in pauses.items()},
    }
    return lines(), lambda: document


def _first(times: list[str]) -> tuple[list[str], int]:
    """Return the first times of a day, and how many there are besides."""
    different = sorted(set(times))
    return different[:SHOWN], max(0, len(different) - SHOWN)


# ---- why ------------------------------------------------------------------------------------


def explain(typed: str) -> Answer:
    """What every job last decided about the thing that fits, or the things that do."""
    return (line for line in why_lines(typed)), lambda: why_data(typed)
