"""How alerts are told to people: plain sentences, job names, run numbers and times only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse

from apps.jobs.models import JobRun
from apps.monitoring.models import Alert

LISTED = 50  # of each part of a message; the rest is counted

Kind = Alert.Kind

_HEADLINES = {
    Kind.NO_CLUSTER: "No cluster is running",
    Kind.STUCK: "The queue is stuck",
    Kind.MISSED: "{job} was not started",
    Kind.BROKEN: "{job} crashed or lost its worker",
    Kind.FAILED: "{job} failed",
    Kind.PARTIAL: "{job} failed in part",
    Kind.LATE: "{job} is late",
    Kind.UNSCHEDULED: "{job} has no schedule",
    Kind.MISREAD: "A schedule is misread",
    Kind.SLOW: "{job} is unusually slow",
}
_RECOVERIES = {
    Kind.NO_CLUSTER: "A cluster is running again",
    Kind.STUCK: "The queue moves again",
    Kind.MISSED: "{job} runs again",
    Kind.BROKEN: "{job} works again",
    Kind.FAILED: "{job} works again",
    Kind.PARTIAL: "{job} works again",
    Kind.LATE: "{job} is on time again",
    Kind.UNSCHEDULED: "{job} has a schedule again",
    Kind.MISREAD: "A schedule is read as meant again",
    Kind.SLOW: "{job} is as quick as usual again",
}


@dataclass(frozen=True, slots=True)
class News:
    """What one look has to tell: what went wrong, what still is wrong, and what is over."""

    opened: Sequence[Alert] = ()
    reminded: Sequence[Alert] = ()
    recovered: Sequence[Alert] = ()

    def __bool__(self) -> bool:
        return bool(self.opened or self.reminded or self.recovered)


@dataclass(frozen=True, slots=True)
class Letter:
    """A subject, and paragraphs beneath it."""

    subject: str
    parts: list[str] = field(default_factory=list)

    @property
    def body(self) -> str:
        return "\n\n".join(self.parts) + "\n"


def headline(alert: Alert) -> str:
    """Return what went wrong, in the words of a subject."""
    return _HEADLINES[Kind(alert.kind)].format(job=alert.job)


def recovery(alert: Alert) -> str:
    """Return what is right again, in the words of a subject."""
    return _RECOVERIES[Kind(alert.kind)].format(job=alert.job)


def subject_of(news: News) -> str:
    """Say the worst thing in words, and how much there is besides."""
    alerts = worst_first(news.opened) or worst_first(news.reminded)
    if alerts:
        begin = "" if news.opened else "Still: "
        first, others = begin + headline(alerts[0]), "other problem"
    else:
        alerts = worst_first(news.recovered)
        first, others = recovery(alerts[0]), "other recovery"
    more = len(alerts) - 1
    if not more:
        return first
    if more > 1:
        others = "other problems" if others == "other problem" else "other recoveries"
    return f"{first}, and {more} {others}"


def letter_of(news: News) -> Letter:
    """Return the e-mail that tells the news."""
    letter = Letter(subject_of(news))
    if news.opened:
        letter.parts.append(_part("This went wrong:", news.opened, lambda one: one.text))
    if news.reminded:
        letter.parts.append(
            _part(
                "This is still so:",
                news.reminded,
                lambda one: f"{one.text} Open since {written(one.opened_at)}{_again(one)}.",
            )
        )
    if news.recovered:
        letter.parts.append(
            _part(
                "This is over:",
                news.recovered,
                lambda one: f"{recovery(one)}. It was: {one.text}",
            )
        )
    if news.opened or news.reminded:
        letter.parts.append(
            "You will be told when it is over. Whoever takes one on acknowledges it, and "
            f"nobody is reminded of it:\n{list_url()}"
        )
    return letter


def worst_first(alerts: Sequence[Alert]) -> list[Alert]:
    """Return alerts in the order in which a person wants to read them."""
    order = list(Kind.values)
    return sorted(alerts, key=lambda one: (order.index(one.kind), one.job, one.pk or 0))


def url_of(alert: Alert) -> str:
    """Return where to look: at the run, the schedule, the job, or the queue."""
    if alert.run_number:
        path = reverse("console:run", args=[alert.run_number])
    elif alert.schedule_number:
        path = reverse("admin:django_q_schedule_change", args=[alert.schedule_number])
    elif alert.job:
        path = reverse("console:job", args=[alert.job])
    else:
        path = reverse("admin:django_q_ormq_changelist")
    return f"{settings.SITE_URL}{path}"


def list_url() -> str:
    """Return where alerts are listed."""
    return f"{settings.SITE_URL}{reverse('admin:monitoring_alert_changelist')}"


# ---- sentences --------------------------------------------------------------------------


def of_missed(job: str, due: datetime | None) -> str:
    return f"{job} was due at {written(due)} and nothing has started it."


def of_late(job: str, due: datetime | None) -> str:
    return f"{job} was due at {written(due)} and has not succeeded since."


def of_broken(job: str, run: int | None, begun: datetime | None, count: int) -> str:
    times = "once" if count == 1 else f"{count} times"
    return (
        f"{job} crashed or lost its worker {times} since its last success, at last in run "
        f"#{run}, begun at {written(begun)}."
    )


def of_stuck(tasks: int, oldest: datetime | None) -> str:
    noun = "task waits" if tasks == 1 else "tasks wait"
    return (
        f"{tasks} {noun} in the queue, the oldest since {written(oldest)}, and no worker "
        "begins anything."
    )


def of_no_cluster(seen: datetime) -> str:
    return (
        f"No cluster has shown a sign of life since {written(seen)}. No job runs until one is "
        "started."
    )


def of_unscheduled(job: str) -> str:
    return f"{job} has no schedule, so it never runs; manage.py sync_schedules makes one."


def of_misread(row: int | None) -> str:
    return (
        f"Schedule {row} would not do what it says; manage.py check_job_health names the field."
    )


def of_ended_badly(run: JobRun) -> str:
    """Say how a failed, blocked or partly failed run went, in numbers."""
    begun = f"{run.job} #{run.pk}, begun at {written(run.started_at)},"
    items = run.done + run.skipped + run.declined + run.failed + run.stale
    if run.state == JobRun.State.BLOCKED:
        return f"{begun} stopped at a bound that is set for it, after {run.done} items."
    if run.failed:
        noun = "item" if items == 1 else "items"
        return f"{begun} failed with {run.failed} of its {items} {noun}."
    return f"{begun} failed before it did anything."


def of_slow(run: JobRun, took: timedelta, usually: timedelta) -> str:
    verb = "took" if run.ended_at else "has been at work for"
    return (
        f"{run.job} #{run.pk}, begun at {written(run.started_at)}, {verb} {in_words(took)}; "
        f"half of its runs take less than {in_words(usually)}."
    )


def written(at: datetime | None) -> str:
    """Return an instant as people write it; it is never missing where one is told."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else "an unknown time"


def in_words(span: timedelta) -> str:
    """Return a span of time in its two largest units: ``1 hour 5 minutes``."""
    seconds = max(0, round(span.total_seconds()))
    parts = []
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {noun}{'s' if count > 1 else ''}")
        elif parts:
            break
    return " ".join(parts[:2]) or "less than a second"


def _again(alert: Alert) -> str:
    return f", {alert.times} times by now" if alert.times > 1 else ""


def _part(heading: str, alerts: Sequence[Alert], say: Callable[[Alert], str]) -> str:
    listed = worst_first(alerts)
    lines = [f"* {say(one)}\n  {url_of(one)}" for one in listed[:LISTED]]
    if len(listed) > LISTED:
        lines.append(f"* and {len(listed) - LISTED} more.")
    return "\n\n".join([heading, *lines])
