"""What becomes of the differences that a comparison finds, and what people decide of them.

A comparison (``reconcile_stripe``) looks at a firm's books and at somebody else's, records
what differs in pages with ``record_findings`` and ends with ``close_look``.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.audit.services import record
from apps.core import batches, bulk
from apps.core.problems import Problem
from apps.discrepancies.messages import DISCREPANCIES_FOUND, SHOWN
from apps.discrepancies.models import Discrepancy, ReconciliationRun, Source
from apps.firms.models import Firm, User
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify

Severity = Discrepancy.Severity
Status = Discrepancy.Status

Key = tuple[str, str]  # kind, subject

LONGEST = 200  # letters of a label or a state


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference as a look sees it. The states are clauses of one sentence:

    ``INV-2025-003: paid in Stripe ($2500.00, pi_3K) but local status is overdue``. They hold
    no personal data, and nothing that changes from look to look while the difference stays.
    """

    kind: str
    subject_key: str
    label: str
    remote_state: str
    local_state: str
    severity: Discrepancy.Severity = Severity.ERROR

    @property
    def key(self) -> Key:
        return (self.kind, self.subject_key)

    @property
    def row(self) -> Discrepancy:
        """The difference as a row would have it."""
        return Discrepancy(
            kind=self.kind,
            subject_key=self.subject_key,
            label=self.label[:LONGEST],
            remote_state=self.remote_state[:LONGEST],
            local_state=self.local_state[:LONGEST],
            severity=self.severity,
        )

    @property
    def sentence(self) -> str:
        """The difference in words."""
        return self.row.sentence


class Sighting(StrEnum):
    """What a finding is to whoever has looked before."""

    NEW = "new"
    KNOWN = "known"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Look:
    """What a comparison did, for the record."""

    began_at: datetime
    since: datetime  # how far back it looked
    complete: bool  # only then is what it did not see gone
    checked: int = 0
    found: int = 0
    fresh: int = 0


# ---- by a comparison ------------------------------------------------------------------------


def record_findings(
    *, firm: Firm, source: Source, findings: Sequence[Finding], now: datetime
) -> list[Sighting]:
    """Record differences of a firm and return what each is: new, known, or ignored.

    An open issue is seen again: the same row, one occurrence more; looking twice at the same
    instant counts once. An ignored one stays ignored while the other side says the same as
    when a person looked at it. One that was resolved or repaired is a new issue. The number
    of statements does not grow with findings. Must run inside a transaction.
    """
    rows = {finding.key: finding.row for finding in findings}
    standing: dict[Key, Discrepancy] | None = None
    while True:
        before, (standing, ignored) = standing, _standing(firm, source, rows)
        fresh = {key for key in rows if key not in standing and key not in ignored}
        try:
            with transaction.atomic():
                _insert(firm, source, [rows[key] for key in sorted(fresh)], now)
            break
        except IntegrityError:  # another look has just seen the same
            if before is not None and before.keys() == standing.keys():
                raise
    _see_again(standing, rows, now)
    return [
        Sighting.NEW
        if finding.key in fresh
        else Sighting.KNOWN
        if finding.key in standing
        else Sighting.IGNORED
        for finding in findings
    ]


def close_look(*, firm: Firm, source: Source, look: Look) -> ReconciliationRun:
    """End a comparison: resolve what a complete one saw no more, and tell what is new.

    One message to each owner and admin of the firm with the issues that nobody was told of
    yet; the platform's operators get the critical ones. Must run inside a transaction.
    """
    resolved = 0
    if look.complete:
        gone = _open(firm, source).filter(last_seen_at__lt=look.began_at)
        resolved = gone.update(
            status=Status.RESOLVED, closed_at=look.began_at, updated_at=look.began_at
        )
    run = ReconciliationRun.objects.create(
        firm=firm,
        source=source,
        started_at=look.began_at,
        ended_at=timezone.now(),
        since=look.since,
        complete=look.complete,
        checked=look.checked,
        found=look.found,
        fresh=look.fresh,
        resolved=resolved,
    )
    _tell_of_new(run)
    return run


def open_subjects(*, firm: Firm, source: Source) -> Iterable[Sequence[str]]:
    """Yield what open issues are about, in pages: a look must see it again to call it gone."""
    for page in batches.pages(_open(firm, source)):
        yield [issue.subject_key for issue in page]


def mark_repaired(
    *,
    firm: Firm,
    source: Source,
    subject_keys: Collection[str],
    kinds: Iterable[str],
    now: datetime,
) -> int:
    """Close the open issues of these kinds about subjects as repaired; return how many."""
    issues = _open(firm, source).filter(subject_key__in=subject_keys, kind__in=list(kinds))
    return issues.update(status=Status.REPAIRED, closed_at=now, updated_at=now)


# ---- by a person ----------------------------------------------------------------------------


def ignore_discrepancy(
    *, discrepancy: Discrepancy, actor: User, reason: str, now: datetime
) -> None:
    """Leave an open issue alone from now on: looks that see it again say nothing.

    Raises ``Problem`` for one that is not open.
    """
    _decide(discrepancy, Status.OPEN, Status.IGNORED, actor, reason, now)


def settle_discrepancy(
    *, discrepancy: Discrepancy, actor: User, reason: str, now: datetime
) -> None:
    """Close an open issue that somebody has put right; a look that sees it again opens another.

    Raises ``Problem`` for one that is not open.
    """
    _decide(discrepancy, Status.OPEN, Status.REPAIRED, actor, reason, now)


def reopen_discrepancy(
    *, discrepancy: Discrepancy, actor: User, reason: str, now: datetime
) -> None:
    """Take an ignored issue up again.

    Raises ``Problem`` for one that is not ignored, and when it has been opened anew meanwhile.
    """
    _decide(discrepancy, Status.IGNORED, Status.OPEN, actor, reason, now)


# ---- inside ---------------------------------------------------------------------------------

_COLUMNS = (
    "firm", "source", "kind", "subject_key", "label", "remote_state", "local_state", "severity",
    "first_seen_at", "last_seen_at",
)  # fmt: skip
_TEXTS = ("label", "remote_state", "local_state", "severity")


def _open(firm: Firm, source: Source) -> "QuerySet[Discrepancy]":
    return Discrepancy.objects.filter(firm=firm, source=source, status=Status.OPEN)


def _standing(
    firm: Firm, source: Source, rows: dict[Key, Discrepancy]
) -> tuple[dict[Key, Discrepancy], set[Key]]:
    """Return which of these are open, and which a person has said to leave alone."""
    standing, ignored = {}, set()
    for issue in Discrepancy.objects.filter(
        firm=firm,
        source=source,
        status__in=(Status.OPEN, Status.IGNORED),
        subject_key__in={subject for _, subject in rows},
    ):
        key = (issue.kind, issue.subject_key)
        if key not in rows:
            continue
        if issue.status == Status.OPEN:
            standing[key] = issue
        elif issue.remote_state == rows[key].remote_state:
            ignored.add(key)
    return standing, ignored - standing.keys()


def _insert(firm: Firm, source: Source, rows: Sequence[Discrepancy], now: datetime) -> None:
    texts = [[getattr(row, name) for name in ("kind", "subject_key", *_TEXTS)] for row in rows]
    bulk.insert(
        Discrepancy, _COLUMNS, ((firm.pk, source.value, *text, now, now) for text in texts)
    )


def _see_again(
    standing: dict[Key, Discrepancy], rows: dict[Key, Discrepancy], now: datetime
) -> None:
    again = Discrepancy.objects.filter(pk__in=[issue.pk for issue in standing.values()])
    again.filter(status=Status.OPEN, last_seen_at__lt=now).update(
        last_seen_at=now, occurrences=F("occurrences") + 1, updated_at=now
    )
    reworded = []
    for key, issue in standing.items():
        before = [getattr(issue, name) for name in _TEXTS]
        for name in _TEXTS:
            setattr(issue, name, getattr(rows[key], name))
        if [getattr(issue, name) for name in _TEXTS] != before:
            reworded.append(issue)
    Discrepancy.objects.bulk_update(reworded, _TEXTS)


def _tell_of_new(run: ReconciliationRun) -> None:
    """Tell what nobody was told of yet, also what a look that broke off had found."""
    untold = _open(run.firm, Source(run.source)).filter(notified_at=None).order_by("pk")
    by_severity: dict[str, list[int]] = defaultdict(list)
    for severity, pk in untold.values_list("severity", "pk"):
        by_severity[severity].append(pk)
    critical = by_severity[Severity.CRITICAL]
    ranked = [*critical, *by_severity[Severity.ERROR], *by_severity[Severity.WARNING]]
    if not ranked:
        return
    people = in_charge([run.firm_id]).get(run.firm_id, [])
    operators = User.objects.filter(is_superuser=True, is_active=True).exclude(
        pk__in=[person.pk for person in people]
    )
    drafts = [_draft(run, person, ranked) for person in people]
    drafts += [_draft(run, person, critical) for person in operators if critical]
    notify(drafts)
    if drafts:
        for page in batches.batched(ranked):
            Discrepancy.objects.filter(pk__in=page).update(notified_at=run.started_at)


def _draft(run: ReconciliationRun, person: User, issues: Sequence[int]) -> Draft:
    return Draft(
        type=DISCREPANCIES_FOUND,
        firm_id=run.firm_id,
        recipient=person,
        dedupe_key=f"discrepancies-found:{run.pk}",
        about=run,
        context={
            "firm": run.firm.name,
            "source": run.get_source_display(),
            "count": len(issues),
            "issues": list(issues[:SHOWN]),
        },
    )


def _decide(
    discrepancy: Discrepancy,
    before: Status,
    after: Status,
    actor: User,
    reason: str,
    now: datetime,
) -> None:
    closed_at = None if after == Status.OPEN else now
    same = Discrepancy.objects.filter(pk=discrepancy.pk, status=before)
    try:
        with transaction.atomic():
            if not same.update(status=after, closed_at=closed_at, updated_at=now):
                raise Problem(f"It is not {before.label.lower()}.")
            record(
                f"discrepancy_{'reopened' if after == Status.OPEN else after.value}",
                discrepancy,
                actor=actor,
                changes={"status": [before.value, after.value]},
                reason=reason,
            )
    except IntegrityError:
        raise Problem("It has been seen and opened again meanwhile.") from None
