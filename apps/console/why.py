"""Why: what every job last decided about a thing, what it would decide now, and when next.

Three sources, in few queries: the record (what was decided), the jobs' own selections asked
about this one row (what would be decided, also where the record keeps only a sample: ADR
0005), and the schedules. The page and the command ``jobs why`` show the same answer.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Model, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from moneyed import Money

from apps.console.models import Verb
from apps.console.rights import Rights
from apps.core import money
from apps.core.days import Clock, zone
from apps.core.explaining import Question, Verdict, explain
from apps.core.finding import Finder, Found, find_finder, finders, related, search
from apps.core.problems import Problem
from apps.core.reports import Outcome, Subject
from apps.firms.models import Firm
from apps.jobs.job import Job, registry
from apps.jobs.looks import Look, next_looks
from apps.jobs.models import JobRunItem


@dataclass(frozen=True)
class Decision:
    """What a run decided about a thing, or about what belongs to it."""

    run: int
    job: str
    outcome: str
    words: str
    about: str  # what it is about, where that is not the thing itself
    amount: Money | None
    at: datetime
    is_preview: bool


@dataclass(frozen=True)
class Answer:
    """What one job has to say about a thing."""

    job: Job
    last: Decision | None = None
    preview: Decision | None = None  # newer than the last real decision
    now: Verdict | None = None
    look: Look | None = None


@dataclass(frozen=True)
class Thing:
    """A found row, and what belongs to it."""

    found: Found
    row: Any
    zone: str
    firm: Firm | None
    address: str = ""  # of its admin page
    told: Sequence[Found] = ()  # what belongs to it, and is told with it
    linked: Sequence[Found] = ()  # what belongs to it, and can be asked about in its turn


def findable(rights: Rights | None) -> list[Finder]:
    """Return the finders that somebody may use; ``None``: whoever has a shell on this host."""
    if rights is None or rights.everything:
        return list(finders())
    return [one for one in finders() if one.firm and rights.user.has_perm(one.permission)]


def seen_firms(rights: Rights | None) -> "QuerySet[Firm] | None":
    """Return the firms whose things somebody may find, ``None`` for the whole platform."""
    return None if rights is None or rights.everything else rights.firms()


def find(typed: str, *, rights: Rights | None) -> list[Found]:
    """Return the things that fit to what was typed: ``billing.invoice 12`` is that very one.

    One query; two for such an address.
    """
    kind, _space, key = typed.strip().replace(":", " ").partition(" ")
    if find_finder(kind):
        thing = open_thing(kind, key, rights=rights)
        return [thing.found] if thing else []
    return search(typed, among=findable(rights), firms=seen_firms(rights))


def open_thing(kind: str, key: str, *, rights: Rights | None) -> Thing | None:
    """Return a thing by its kind and key, if there is one that may be seen. Two queries."""
    finder = find_finder(kind)
    allowed = {one.kind for one in findable(rights)}
    if finder is None or kind not in allowed or not re.fullmatch("[0-9]{1,17}", key):
        return None
    firms = seen_firms(rights)
    row: Any = finder.seen(firms).select_related(*finder.loads).filter(pk=int(key)).first()
    if row is None:
        return None
    firm = row if isinstance(row, Firm) else getattr(row, "firm", None)
    found = Found(kind, str(row.pk), str(row), exact=True)
    nearby = related(row, firms=firms)
    return Thing(
        found,
        row,
        _zone_of(row, firm),
        firm,
        address=_address(finder, row),
        told=[one for one in nearby if one.told],
        linked=[one for one in nearby if one.kind in allowed],
    )


def answers(thing: Thing, *, rights: Rights | None, clock: Clock) -> list[Answer]:
    """Return what each job has to say about a thing: those that looked at it or would.

    One query for the record, one for the schedules, one for all conditions.
    """
    firm_id = thing.firm.pk if thing.firm else None
    jobs = [
        job for job in registry() if rights is None or rights.may_somewhere(Verb.VIEW, job.name)
    ]
    explained = {
        job.name: how for job in jobs for how in job.explains if type(thing.row) is how.model
    }
    decided = _decisions(thing, rights=rights)
    known = [job for job in jobs if job.name in explained or job.name in decided]
    slug = thing.firm.slug if thing.firm else ""
    looks = next_looks(known, firm_id=firm_id, slug=slug, zone_name=thing.zone, clock=clock)
    questions = {
        name: Question(how, looks[name].arguments if name in looks else {})
        for name, how in explained.items()
        if rights is None or rights.may(Verb.VIEW, name, firm_id)
    }
    verdicts = explain(thing.row, questions, clock) if questions else {}
    found = []
    for job in known:
        real, preview = decided.get(job.name, (None, None))
        if preview and real and preview.at < real.at:
            preview = None
        if real or preview or job.name in verdicts:
            verdict, look = verdicts.get(job.name), looks.get(job.name)
            found.append(Answer(job, real, preview, verdict, look))
    return sorted(found, key=_telling)


def headline(thing: Thing, found: Sequence[Answer]) -> str:
    """Return the one sentence that tells how things stand."""
    failed = [one for one in found if one.last and one.last.outcome == Outcome.FAILED]
    taking = [one for one in found if one.now and one.now.takes]
    if failed and failed[0].last:
        return _("%(job)s failed last time: %(why)s") % {
            "job": failed[0].job.name,
            "why": failed[0].last.words,
        }
    if taking:
        names = ", ".join(one.job.name for one in taking)
        return _("Something is due: %(jobs)s.") % {"jobs": names}
    first = next((one for one in found if one.now), None)
    if first and first.now:
        return _("Nothing is due. %(job)s: %(why)s") % {
            "job": first.job.name,
            "why": first.now.sentences[0],
        }
    if found:
        return _("This is what the record says; no job selects it by itself.")
    return _("No job has ever decided anything about it, and none looks at it.")


# ---- the same, as text and as data ---------------------------------------------------------


def lines(typed: str, *, rights: Rights | None = None) -> list[str]:
    """Return the answer to ``jobs why`` as lines of text."""
    clock = Clock.read()
    found = find(typed, rights=rights)
    if not found:
        return [_("Nothing is found for “%(typed)s”.") % {"typed": typed}]
    thing = _only(found, rights=rights)
    if thing is None:
        listed = [
            f"  {one.name} {one.label} {one.firm} ({one.kind} {one.key})" for one in found
        ]
        return [_("Several things fit:"), *listed]
    told = answers(thing, rights=rights, clock=clock)
    said = [f"{thing.found.name} {thing.found.label}", headline(thing, told)]
    for one in told:
        said += ["", one.job.name]
        said += [f"  {words}" for words in _told(one, thing.zone)]
    return said


def data(typed: str, *, rights: Rights | None = None) -> dict[str, Any]:
    """Return the answer to ``jobs why --json``: what JSON can hold."""
    found = find(typed, rights=rights)
    thing = _only(found, rights=rights)
    answer: dict[str, Any] = {
        "found": [{"kind": one.kind, "key": one.key, "label": one.label} for one in found]
    }
    if thing is None:
        return answer
    told = answers(thing, rights=rights, clock=Clock.read())
    answer["headline"] = headline(thing, told)
    answer["jobs"] = [
        {
            "job": one.job.name,
            "last": _plain(one.last),
            "preview": _plain(one.preview),
            "takes": one.now.takes if one.now else None,
            "why": list(one.now.sentences) if one.now else [],
            "conditions": list(one.now.keys) if one.now else [],
            "next_look": one.look.at.isoformat() if one.look and one.look.at else None,
        }
        for one in told
    ]
    return answer


def _only(found: Sequence[Found], *, rights: Rights | None) -> Thing | None:
    """Return the one thing that was meant: the only one, or the only exact match."""
    meant = only_match(found)
    return open_thing(meant.kind, meant.key, rights=rights) if meant else None


def only_match(found: Sequence[Found]) -> Found | None:
    """Return the one result that was meant: the only one, or the only exact match."""
    exact = [one for one in found if one.exact]
    if len(found) == 1 or len(exact) == 1:
        return (exact or list(found))[0]
    return None


def _told(one: Answer, zone_name: str) -> list[str]:
    said = []
    for decision in (one.last, one.preview):
        if decision:
            at = decision.at.astimezone(zone(zone_name))
            amount = f" {money.write(decision.amount)}" if decision.amount is not None else ""
            label = _("preview") if decision.is_preview else _("last")
            words = f"{Outcome(decision.outcome).sign} {decision.words}{amount}"
            said.append(f"{label} {at:%Y-%m-%d %H:%M}, run {decision.run}: {words}")
    if one.now:
        said += [f"{_('now')}: {words}" for words in one.now.sentences]
    if one.look:
        said.append(one.look.words(zone_name))
    return said


def _plain(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    plain = asdict(decision)
    plain["amount"] = money.write(decision.amount) if decision.amount is not None else None
    plain["at"] = decision.at.isoformat()
    return plain


# ---- the record -----------------------------------------------------------------------------


def _decisions(
    thing: Thing, *, rights: Rights | None
) -> dict[str, tuple[Decision | None, Decision | None]]:
    """Return the last real and the last previewed decision of each job. One query."""
    items = JobRunItem.objects.all() if rights is None else rights.items()
    latest = Window(
        RowNumber(),
        partition_by=[F("run__job"), F("run__dry_run")],
        order_by=[F("recorded_at").desc(), F("pk").desc()],
    )
    rows = (
        items.filter(_about(thing))
        .annotate(place=latest)
        .filter(place=1)
        .select_related("run")
        .only(
            *("subject_kind", "subject_key", "subject_part", "subject_label", "outcome"),
            *("action", "detail", "amount_minor", "currency", "recorded_at"),
            *("run__job", "run__dry_run"),
        )
    )
    found: dict[str, tuple[Decision | None, Decision | None]] = {}
    for row in rows:
        real, preview = found.get(row.run.job, (None, None))
        decision = _decision(row, thing)
        found[row.run.job] = (real, decision) if row.run.dry_run else (decision, preview)
    return found


def _about(thing: Thing) -> Q:
    """Return the condition for items about a thing and about what is told with it."""
    keys: dict[str, set[str]] = {thing.found.kind: {Subject.of(thing.row).identity[1]}}
    parts = Q()
    for one in thing.told:
        if one.part:
            parts |= Q(subject_kind=one.kind, subject_key=one.key, subject_part=one.part)
        else:
            keys.setdefault(one.kind, set()).add(one.key)
    for kind, some in keys.items():
        parts |= Q(subject_kind=kind, subject_key__in=sorted(some))
    return parts


def _decision(row: JobRunItem, thing: Thing) -> Decision:
    itself = (row.subject_kind, row.subject_key) == (thing.found.kind, thing.found.key)
    about = "" if itself else row.subject_label
    if row.subject_part:
        about = f"{about} {row.subject_part}".strip()
    words = row.detail or row.action or str(Outcome(row.outcome).label).lower()
    return Decision(
        row.run_id,
        row.run.job,
        row.outcome,
        words,
        about,
        row.amount,
        row.recorded_at,
        row.run.dry_run,
    )


# ---- inside ---------------------------------------------------------------------------------


def _telling(one: Answer) -> tuple[bool, bool, str]:
    """Order answers: what is due or failed, what would be looked at, what only was."""
    failed = bool(one.last and one.last.outcome == Outcome.FAILED)
    return (not (failed or (one.now and one.now.takes)), one.now is None, "")


def _zone_of(row: Model, firm: Firm | None) -> str:
    here = getattr(row, "timezone", "") or (firm.timezone if firm else "UTC")
    try:
        zone(here)
    except Problem:
        return "UTC"
    return str(here)


def _address(finder: Finder, row: Model) -> str:
    try:
        return reverse(finder.address, args=[row.pk])
    except NoReverseMatch:
        return ""
