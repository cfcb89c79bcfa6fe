"""Let a firm's people be who its Active Directory says they are (spec D15)."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from django.db import OperationalError
from django.db.models import QuerySet, TextChoices

from apps.core.batches import batched, by_key
from apps.core.days import Clock
from apps.core.items import Outcome
from apps.core.problems import BadOption, Problem
from apps.core.reports import Item, Report, Subject, block
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.directory.services.applying import apply_changes
from apps.directory.services.guarding import guard
from apps.directory.services.planning import (
    Action,
    Change,
    Conflict,
    Plan,
    plan_changes,
)
from apps.directory.services.reading import Reading, is_due_in_full, read_directory
from apps.discrepancies.models import Source
from apps.discrepancies.services import (
    Finding,
    Look,
    Sighting,
    close_look,
    mark_repaired,
    open_subjects,
    record_findings,
)
from apps.firms.models import Firm
from apps.firms.services import find_firm, why_not_served

logger = logging.getLogger(__name__)

CONFLICTS, NEW_CONFLICTS, UNCHANGED = "conflicts", "new conflicts", "unchanged"  # tallies

State = DirectoryIdentity.State


class SyncReason(TextChoices):
    """Why something is left alone."""

    IGNORED = "ignored", "somebody has said to ignore it"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


def sync_ad(
    *,
    firm_id: int | None = None,
    full_sync: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> Report:
    """Import and update a firm's staff from its Active Directory.

    Without a firm, of every firm that has enabled it. Reads what has changed since the last
    time on the same controller; everybody with ``full_sync``, the first time, when the
    controller or its database is another, and once a week, since Sunday. Only a full reading
    finds out who is missing. All is read before anything is done: an answer that is not whole
    changes nothing, nor does a run that would deactivate more linked people than the limit
    (``force`` lifts it) or the last active owner.

    People are told apart by objectGUID. Whoever is disabled, deleted or missing there loses
    the membership here (sessions end, roles and account stay), and gets it back only if a run
    of this had taken it. Doubtful cases are noted as discrepancies of the firm. Repeating a
    run finds nothing to do; when somebody could not be dealt with, the next one reads the
    same changes again.
    """
    clock = Clock.read()
    report = Report(dry_run=dry_run, summary=_summary)
    for connection in _connections(firm_id, report):
        try:
            _sync(connection, report, clock=clock, full=full_sync, force=force)
        except OperationalError:
            raise  # the database is gone, or busy for too long: that is no firm's fault
        except Exception as error:
            report.fail(connection.firm, error)
    return report


def _connections(firm_id: int | None, report: Report) -> Iterator[DirectoryConnection]:
    if firm_id is None:
        yield from by_key(synchronised().select_related("firm"))
        return
    enabled = DirectoryConnection.objects.filter(is_enabled=True).select_related("firm")
    firm = find_firm(firm_id)
    connection = enabled.filter(firm=firm).first()
    if connection is None:
        raise BadOption(f"Active Directory integration is not enabled for firm {firm_id}.")
    if left_out := why_not_served(firm):
        report.says(left_out)
    else:
        yield connection


def synchronised() -> "QuerySet[DirectoryConnection]":
    """Return the directories that are switched on, of served firms."""
    enabled = DirectoryConnection.objects.filter(is_enabled=True)
    return enabled.filter(firm__in=Firm.objects.served())


@dataclass(frozen=True, slots=True)
class Before:
    """What a report had counted before a firm's people came."""

    told: int
    failed: int
    found: int
    fresh: int

    @classmethod
    def of(cls, report: Report) -> "Before":
        tallies = report.tallies
        told, failed = report.counts.total(), report.failed + report.counts[Outcome.STALE]
        return cls(told, failed, tallies[CONFLICTS], tallies[NEW_CONFLICTS])


def _sync(
    connection: DirectoryConnection, report: Report, *, clock: Clock, full: bool, force: bool
) -> None:
    firm, before = connection.firm, Before.of(report)
    in_full = full or is_due_in_full(connection, clock)
    try:
        reading = read_directory(connection, in_full=in_full, report=report)
    except Problem as problem:
        _announce(firm, in_full, report)
        _fail(connection, problem, report)
        return
    _announce(firm, reading.is_full, report)
    try:
        plan = plan_changes(connection, reading, now=clock.now)
        guard(plan, connection, force=force)
    except Problem as problem:
        _fail(connection, problem, report)
        return
    report.expect(len(plan.changes) + len(plan.findings))
    report.attempt_each(
        plan.changes, partial(apply_changes, connection=connection), subject=_person
    )
    report.attempt_each(
        plan.findings,
        partial(_note, firm=firm, clock=clock),
        subject=partial(_issue, firm=firm),
    )
    report.tallies[UNCHANGED] += plan.unchanged
    if plan.erased:
        report.says(f"  - {plan.erased} not brought back: erased at their request", level=2)
    _close(connection, reading, plan, before, report, clock=clock)


def _announce(firm: Firm, is_full: bool, report: Report) -> None:
    kind = "full" if is_full else "incremental"
    report.says(f"Synchronizing users for firm: {firm} (ID: {firm.pk}) [{kind}]")


def _fail(connection: DirectoryConnection, problem: Problem, report: Report) -> None:
    """Say why nothing was done, also where the firm's staff look."""
    logger.error("Firm %d was not synchronized", connection.firm_id, exc_info=problem)
    with report.attempt(connection.firm) as item:
        DirectoryConnection.objects.filter(pk=connection.pk).update(problem=_cut(str(problem)))
        item.fail(problem)


def _note(items: Sequence[Item[Finding]], *, firm: Firm, clock: Clock) -> None:
    """Record what a person has to look at."""
    sightings = record_findings(
        firm=firm,
        source=Source.DIRECTORY,
        findings=[item.thing for item in items],
        now=clock.now,
    )
    for item, sighting in zip(items, sightings, strict=True):
        if sighting == Sighting.IGNORED:
            item.skip(SyncReason.IGNORED)
            continue
        item.does(f"note {item.thing.kind}", tally=CONFLICTS)
        if sighting == Sighting.NEW:
            item.tallies.append(NEW_CONFLICTS)
        item.says(f"Conflict: {item.thing.sentence}", bullet="⚠")


def _close(
    connection: DirectoryConnection,
    reading: Reading,
    plan: Plan,
    before: Before,
    report: Report,
    *,
    clock: Clock,
) -> None:
    """Write down how far the directory has been read, unless somebody was left behind.

    Then the next run reads the same changes again.
    """
    after = Before.of(report)
    wanted = len(plan.changes) + len(plan.findings)
    left = wanted - (after.told - before.told) + (after.failed - before.failed)
    with report.attempt(connection) as item:
        item.does("remember what was read")
        _saw(connection, reading, plan, clock=clock)
        _look(connection.firm, reading, plan, before, after, left=left, clock=clock)
        connection.last_sync_at = clock.now
        connection.problem = f"{left} could not be synchronized." if left else ""
        if not left:
            controller = reading.controller
            connection.dc_host = controller.server
            connection.dc_invocation_id = controller.invocation
            connection.last_usn = controller.highest_usn
            if reading.is_full:
                connection.last_full_sync_at = clock.now
        connection.save(
            update_fields=[
                *("dc_host", "dc_invocation_id", "last_usn", "last_sync_at"),
                *("last_full_sync_at", "problem", "updated_at"),
            ]
        )


def _saw(
    connection: DirectoryConnection, reading: Reading, plan: Plan, *, clock: Clock
) -> None:
    """Write down when people were last seen in the directory."""
    identities = connection.identities
    if reading.is_full:
        gone = (State.MISSING, State.TOMBSTONED)
        identities.exclude(state__in=gone).update(last_seen_at=clock.now)
        return
    for some in batched([*plan.seen, *(one.identity.object_guid for one in plan.changes)]):
        identities.filter(object_guid__in=some).update(last_seen_at=clock.now)


def _look(
    firm: Firm,
    reading: Reading,
    plan: Plan,
    before: Before,
    after: Before,
    *,
    left: int,
    clock: Clock,
) -> None:
    """Close what is settled, and tell the firm's owners and admins of what is new."""
    noted = {finding.subject_key for finding in plan.findings}
    for page in open_subjects(firm=firm, source=Source.DIRECTORY):
        mark_repaired(
            firm=firm,
            source=Source.DIRECTORY,
            subject_keys=set(page).intersection(reading.people) - noted,
            kinds=[kind.value for kind in Conflict],
            now=clock.now,
        )
    close_look(
        firm=firm,
        source=Source.DIRECTORY,
        look=Look(
            began_at=clock.now,
            since=clock.now,
            complete=reading.is_full and not left,
            checked=len(reading.people),
            found=after.found - before.found,
            fresh=after.fresh - before.fresh,
        ),
    )


# ---- words ----------------------------------------------------------------------------------


def _summary(report: Report) -> list[str]:
    tallies = report.tallies
    figures: list[tuple[str, object]] = [
        ("Created", tallies[Action.CREATE]),
        ("Updated", tallies[Action.UPDATE]),
        ("Deactivated", tallies[Action.DEACTIVATE]),
        ("Reactivated", tallies[Action.REACTIVATE]),
        ("Conflicts", tallies[CONFLICTS]),
        ("Unchanged", tallies[UNCHANGED]),
    ]
    return block(*figures)


def _person(change: Change) -> Subject:
    identity = change.identity
    return Subject(
        "directory.directoryidentity",
        identity.object_guid,
        identity.sam_account_name,
        firm_id=identity.firm_id,
    )


def _issue(finding: Finding, *, firm: Firm) -> Subject:
    return Subject(
        "discrepancies.discrepancy", finding.subject_key, finding.label, finding.kind, firm.pk
    )


def _cut(text: str) -> str:
    return text[: DirectoryConnection._meta.get_field("problem").max_length]
