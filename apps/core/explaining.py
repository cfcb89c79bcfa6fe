"""Why a job would take a row with its next run, or which condition keeps it out.

Each app says it in its ``explaining.py``, beside the jobs: the selection is the job's own
queryset, never a second one, so what is explained here is what runs there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Model, QuerySet
from django_stubs_ext import StrOrPromise

from apps.core.conditions import Failure, Sentences, failures
from apps.core.days import Clock
from apps.core.problems import Problem, sentence


@dataclass(frozen=True, slots=True)
class Moment:
    """When a job is asked about a row: the time, and the date that it is there."""

    clock: Clock
    today: date
    zone: str
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what the schedule passes
    known: dict[str, Any] = field(default_factory=dict)  # looked up for one job, told the next

    def argument(self, name: str, usual: Any) -> Any:
        """Return what the schedule passes under a name, or what the job takes without it."""
        given = self.arguments.get(name)
        return usual if given is None else given


def zone_of_firm(row: Any) -> str:
    """Return the zone of the firm that a row belongs to."""
    return str(row.firm.timezone)


@dataclass(frozen=True)
class Explanation:
    """How a job selects rows of a table, and what it decides about those selected."""

    model: type[Model]
    selection: Callable[[Any, Moment], "QuerySet[Any]"]  # the job's own, for a row's place
    sentences: Sentences = field(default_factory=dict)  # by the keys of ``conditions``
    # What else keeps a row out, before the selection: a sentence, or nothing.
    before: tuple[Callable[[Any, Moment], str], ...] = ()
    # What the job decides about a row that it has selected: why it does nothing now, or
    # nothing. Asked only of rows that are selected.
    after: Callable[[Any, Moment], str] | None = None
    takes: StrOrPromise = "The next run takes it."
    zone: Callable[[Any], str] = zone_of_firm
    loads: tuple[str, ...] = ("firm",)  # what the functions read of a row beside its columns


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a job would decide about a row now."""

    takes: bool
    sentences: Sequence[str]
    keys: Sequence[str] = ()  # of the conditions that are not met


@dataclass(frozen=True, slots=True)
class Question:
    """A job's explanation, and the arguments that its schedule passes."""

    explanation: Explanation
    arguments: Mapping[str, Any] = field(default_factory=dict)


def explain(row: Model, questions: Mapping[str, Question], clock: Clock) -> dict[str, Verdict]:
    """Return what each of several jobs would decide about a row now, by name.

    One query for all conditions of all of them, and what those need that have selected it.
    """
    moments: dict[str, Moment] = {}
    selections: dict[str, QuerySet[Any]] = {}
    verdicts: dict[str, Verdict] = {}
    known: dict[str, Any] = {}
    for name, question in questions.items():
        how = question.explanation
        try:
            zone = how.zone(row)
            today = clock.today(zone)
            moments[name] = Moment(clock, today, zone, question.arguments, known)
            selections[name] = how.selection(row, moments[name])
        except Problem as problem:
            verdicts[name] = Verdict(False, [_whole(sentence(problem))])
    declared = {name: one.explanation.sentences for name, one in questions.items()}
    zone_name = next((moment.zone for moment in moments.values()), "UTC")
    failed = failures(row, selections, sentences=declared, zone_name=zone_name)
    for name in selections:
        how, moment = questions[name].explanation, moments[name]
        verdicts[name] = _verdict(row, how, moment, failed[name])
    return {name: verdicts[name] for name in questions}


def _verdict(
    row: Model, how: Explanation, moment: Moment, failed: Sequence[Failure]
) -> Verdict:
    stopped = [why for check in how.before if (why := check(row, moment))]
    stopped += [failure.sentence for failure in failed]
    keys = [failure.key for failure in failed]
    if not stopped and how.after and (why := _asked(how.after, row, moment)):
        stopped = [why]
    if stopped:
        return Verdict(False, [_whole(words) for words in dict.fromkeys(stopped)], keys)
    return Verdict(True, [str(how.takes)])


def _asked(check: Callable[[Any, Moment], str], row: Model, moment: Moment) -> str:
    """Return what a job decides; its trouble with a row is what it would say."""
    try:
        return check(row, moment)
    except Problem as problem:
        return sentence(problem)


def _whole(words: str) -> str:
    """Return words as a sentence."""
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "…")) else ".")
