"""Schedules: which rows must exist, and which Django-Q2 would misread.

Django-Q2 reads a row's arguments with ``ast.literal_eval``; what it cannot read becomes no
arguments **in silence**, and some mistakes stop every other schedule. So one list of rules,
``broken_rules``, serves the admin's form, a guard before every save, and the system check.
"""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from cron_descriptor import Options, get_description
from croniter import croniter
from cronsim import CronSim, CronSimError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.signals import pre_save
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import Schedule

from apps.core.problems import BadOption
from apps.jobs.job import Job, Literal, registry
from apps.jobs.models import RunLock

# What a person decides about a row; Django-Q2 itself moves only the other columns.
GUARDED = (
    "name",
    "func",
    "hook",
    "args",
    "kwargs",
    "schedule_type",
    "minutes",
    "cron",
    "cluster",
    "intended_date_kwarg",
)

# Django-Q2 takes these out of the arguments: ``sync`` would run the job inside the sentinel.
INSTRUCTIONS = {
    *("q_options", "task_name", "hook", "group", "save", "sync", "cached", "ack_failure"),
    *("iter_count", "iter_cached", "chain", "broker", "broker_name", "cluster", "timeout"),
}

# Counted from the previous time, so the 31st becomes the 28th and stays there.
DRIFTING = {
    Schedule.MONTHLY: "0 4 1 * *",
    Schedule.BIMONTHLY: "0 4 1 1,3,5,7,9,11 *",
    Schedule.QUARTERLY: "0 4 1 1,4,7,10 *",
    Schedule.YEARLY: "0 4 1 1 *",
}

_COMPARED = 5  # so many times must come out the same from both cron libraries


# ---- reading a row as Django-Q2 does --------------------------------------------------


def job_of(func: str) -> Job | None:
    """Return the job that a row's ``func`` names."""
    return next((job for job in registry() if func in paths_of(job)), None)


def paths_of(job: Job) -> set[str]:
    """Return how a row may name a job: by its path, or its service's full path."""
    return {job.path, f"{job.service.__module__}.{job.name}"}


def read_kwargs(text: str) -> dict[str, Any]:
    """Return the keyword arguments that Django-Q2 makes of ``text``.

    Its rule: a literal dictionary, else what stands between the brackets of a call. Raises
    ``BadOption`` wherever Django-Q2 would drop something in silence or stop its scheduler.
    """
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return _read_call(text)
    except (TypeError, MemoryError, RecursionError):
        raise BadOption("This is no dictionary of literals.") from None
    if not isinstance(value, dict):
        raise BadOption("A value without a name is lost; every argument needs its name.")
    if unnamed := [key for key in value if not isinstance(key, str)]:
        raise BadOption(f"The name of an argument must be a text, not {unnamed[0]!r}.")
    return value


def _read_call(text: str) -> dict[str, Any]:
    try:
        statements = ast.parse(f"f({text})").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise BadOption("This cannot be read as name=value, separated by commas.") from None
    call = statements[0].value if isinstance(statements[0], ast.Expr) else None
    whole = len(statements) == 1 and isinstance(call, ast.Call)
    if not whole or not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise BadOption("This cannot be read as name=value, separated by commas.")
    if call.args:
        raise BadOption("A value without a name is lost; every argument needs its name.")
    arguments: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise BadOption("Every argument must be named, and only once.")
        try:
            arguments[keyword.arg] = ast.literal_eval(keyword.value)
        except (SyntaxError, ValueError, TypeError):
            raise BadOption(
                f"{keyword.arg}={ast.unparse(keyword.value)} is no literal; use a whole "
                "number, a text in quotes, True or False."
            ) from None
    return arguments


def written(kwargs: "dict[str, Literal]") -> str:
    """Return arguments as a row keeps them: ``at='09:00', dry_run=True``."""
    return ", ".join(f"{name}={value!r}" for name, value in kwargs.items())


def arguments_of(schedule: Schedule) -> dict[str, Any]:
    """Return the arguments that a row passes; raises ``BadOption`` for unreadable ones."""
    return read_kwargs(schedule.kwargs) if schedule.kwargs else {}


# ---- cron -------------------------------------------------------------------------------


def check_cron(cron: str) -> None:
    """Refuse an expression that is empty, never comes, or is read in more than one way."""
    if why := _why_not_cron(cron):
        raise BadOption(why)


@lru_cache(maxsize=1024)  # pages ask of every schedule, again and again
def _why_not_cron(cron: str) -> str:
    if len(cron.split()) != 5:
        return (
            "A cron expression has five fields: minute hour day month weekday, such as "
            "10 * * * * for ten past every hour (UTC)."
        )
    now = timezone.now()
    try:
        times = list(islice(CronSim(cron, now), _COMPARED))
        theirs = croniter(cron, now)
        same = times == [theirs.get_next(datetime) for _ in times]
    except (CronSimError, ValueError, KeyError) as error:
        return f"The cron expression '{cron}' cannot be used: {error}."
    if not times:
        return f"The cron expression '{cron}' never comes."
    if not same:
        return (
            f"The cron expression '{cron}' means different times to different readers; "
            "write the days out."
        )
    return ""


def cron_in_words(cron: str) -> str:
    """Return ``At 20 minutes past the hour`` for a checked expression."""
    return str(get_description(cron, Options(use_24hour_time_format=True)))


def next_times(cron: str, *, count: int, after: datetime) -> list[datetime]:
    """Return the next ``count`` times of a checked expression, in UTC."""
    return list(islice(CronSim(cron, after.astimezone(UTC)), count))


# ---- the rules --------------------------------------------------------------------------


def broken_rules(schedule: Schedule) -> dict[str, str]:
    """Return a sentence for each field of a row that Django-Q2 or the job would misread."""
    return dict(_broken(schedule))


def _broken(schedule: Schedule) -> Iterator[tuple[str, str]]:
    job = job_of(schedule.func or "")
    if job is None:
        yield (
            "func",
            f"'{schedule.func}' is not a declared job; only declared jobs can be scheduled.",
        )
    if why := _why_not_kwargs(schedule, job):
        yield "kwargs", why
    if schedule.args:
        yield "args", "Jobs have no positional arguments; name them under keyword arguments."
    if schedule.hook:
        yield "hook", "Hooks are not used: what came of a run is on its record."
    if schedule.intended_date_kwarg:
        yield (
            "intended_date_kwarg",
            "Not used: it passes a text with a date and time; jobs read the clock themselves.",
        )
    if len(schedule.name or "") > 100:
        yield "name", "A name has at most 100 characters."
    if schedule.cluster and schedule.cluster not in _clusters():
        yield "cluster", f"There is no cluster '{schedule.cluster}'; nobody would run this."
    yield from _broken_time(schedule)


def _broken_time(schedule: Schedule) -> Iterator[tuple[str, str]]:
    kind = schedule.schedule_type
    if kind in DRIFTING:
        yield (
            "schedule_type",
            f"{schedule.get_schedule_type_display()} drifts: from the 31st it stays on the "
            f"28th for ever. Use Cron, for example {DRIFTING[kind]} (UTC).",
        )
    elif kind == Schedule.CRON:
        try:
            check_cron(schedule.cron or "")
        except BadOption as problem:
            yield "cron", str(problem)
    elif schedule.cron:
        yield "cron", "A cron expression is followed only with the type Cron."
    if kind == Schedule.MINUTES and not schedule.minutes:
        yield "minutes", "Say how many minutes; without it the job runs every minute."


def _why_not_kwargs(schedule: Schedule, job: Job | None) -> str:
    try:
        arguments = arguments_of(schedule)
        if taken := INSTRUCTIONS & arguments.keys():
            raise BadOption(
                f"'{min(taken)}' is an instruction to Django-Q2, not an argument of a job."
            )
        if job:
            job.bind(arguments)
    except BadOption as problem:
        example = _example(job)
        return f"{problem} Example: {example}" if example else str(problem)
    return ""


def _example(job: Job | None) -> str:
    if job is None:
        return "firm_id=3, dry_run=True"
    samples: dict[str, Literal] = {}
    for option in job.options:
        if option.type is bool:
            samples[option.name] = True
        elif option.type is int:
            samples[option.name] = option.default or 3
        else:
            known = option.choices[0] if option.choices else option.default
            samples[option.name] = known or option.metavar or "text"
    samples.pop("as_of", None)  # needs a dry run beside it
    shown = list(samples.items())[:1]
    if job.previews:
        shown.append(("dry_run", True))
    return written(dict(shown))


def _clusters() -> set[str]:
    others = cast("dict[str, Any]", settings.Q_CLUSTER).get("ALT_CLUSTERS", {})
    return {Conf.PREFIX, Conf.CLUSTER_NAME, *others}


# ---- the guard ----------------------------------------------------------------------------


def connect() -> None:
    """Guard every way of saving a schedule."""
    pre_save.connect(guard, sender=Schedule, dispatch_uid="apps.jobs.schedules.guard")


def guard(instance: Schedule, **_: Any) -> None:
    """Refuse to save a row that would be misread; raises ``ValidationError``.

    Django-Q2 saves the rows it has fired inside the one transaction of all schedules. So a
    bad row that is there already is let through as long as nobody touches what was decided
    about it: raising there would stop every other schedule.
    """
    if not instance._state.adding and instance.pk:
        before = Schedule.objects.filter(pk=instance.pk).values(*GUARDED).first()
        if before == {name: getattr(instance, name) for name in GUARDED}:
            return
    if broken := broken_rules(instance):
        raise ValidationError({field: [text] for field, text in broken.items()})


# ---- the rows that must exist -----------------------------------------------------------


def missing() -> list[Schedule]:
    """Return an unsaved row for every job with a time of its own that has no row at all."""
    rows = Schedule.objects.values_list("func", flat=True)
    present = {job.name for job in map(job_of, rows) if job}
    return [
        Schedule(
            name=job.name,
            func=job.path,
            kwargs=written(dict(job.kwargs)),
            schedule_type=Schedule.CRON,
            cron=job.cron,
            next_run=next_times(job.cron, count=1, after=timezone.now())[0],
        )
        for job in registry()
        if job.cron and job.name not in present
    ]


def create_missing() -> list[Schedule]:
    """Create the rows that are missing and return them; what people made stays as it is.

    Safe when several processes do it at once: they queue up at one row.
    """
    with transaction.atomic():
        RunLock.objects.get_or_create(job="sync_schedules", scope="")
        RunLock.objects.select_for_update().get(job="sync_schedules", scope="")
        rows = missing()
        for row in rows:
            row.save()
    return rows
