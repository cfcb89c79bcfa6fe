"""Why an item was skipped or declined, in words."""

from functools import cache
from typing import Any

from django.db.models import TextChoices

from apps.jobs.job import registry
from apps.jobs.models import JobRun, JobRunItem


def reason_in_words(code: str, job: str) -> str:
    """Return the label of a reason, as the app of the job (or else another app) words it.

    A reason of which no app knows any more is still its code.
    """
    app = next((each.app for each in registry() if each.name == job), "")
    label = _labels().get((app, code)) or _labels().get(("", code))
    return str(label or code.replace("_", " "))


def explain(item: JobRunItem, run: JobRun) -> str:
    """Return why an item came out as it did: its reason, its detail, or both."""
    words = reason_in_words(item.reason, run.job) if item.reason else ""
    if not words or words == item.detail:
        return item.detail or words
    return f"{words} ({item.detail})" if item.detail else words


@cache
def _labels() -> dict[tuple[str, str], Any]:
    """Return the labels of every app's closed reasons, by app and code, and by code alone.

    They are loaded with the services that give them, and those with the jobs.
    """
    labels: dict[tuple[str, str], Any] = {}
    for choices in TextChoices.__subclasses__():
        if not choices.__name__.endswith("Reason"):
            continue
        app = choices.__module__.split(".")[1]
        for reason in choices:
            labels.setdefault((app, reason.value), reason.label)
            labels.setdefault(("", reason.value), reason.label)
    return labels
