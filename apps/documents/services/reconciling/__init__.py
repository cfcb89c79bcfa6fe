"""Compare documents with what the storage holds, and note what differs (spec D11)."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from django.db import OperationalError
from django.db.models import TextChoices

from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Item, Report, Subject, block
from apps.discrepancies.models import Source
from apps.discrepancies.services import Finding, Look, Sighting, close_look, record_findings
from apps.documents.services.reconciling.comparing import Difference, Suspect
from apps.documents.services.reconciling.looking import Looking
from apps.firms.models import Firm
from apps.firms.services import find_firm
from apps.integrations.storage import Storage, StorageDown, get_storage

logger = logging.getLogger(__name__)

FOUND, NEW = "found", "new"  # tallies, beside one for each heading
ENOUGH = 3  # firms in a row for which the storage was down; the others are not tried


class ReconcileReason(TextChoices):
    """Why a difference is left alone."""

    IGNORED = "ignored", "somebody has said to ignore it"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return True


@dataclass(slots=True)
class Run:
    """What one run counts beside its items."""

    clock: Clock
    storage: Storage
    documents: int = 0
    objects: int = 0
    down: int = 0  # firms in a row

    def summary(self, report: Report) -> list[str]:
        """Return the closing lines; rarer differences only if there are any."""
        figures: list[tuple[str, object]] = [
            ("Documents checked", self.documents),
            ("Objects checked", self.objects),
        ]
        for heading in dict.fromkeys(one.heading for one in Difference):
            if report.tallies[heading] or heading != "Other":
                figures.append((heading, report.tallies[heading]))
        return block(*figures, ("Errors", report.failed))


def reconcile_s3(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Compare documents with the stored files in both directions and note every mismatch.

    Of every firm, suspended and closed ones too: lists what is stored under the firm's prefix,
    page by page, beside the rows in the same order. Whatever is younger than an hour is left
    alone, and a file that the list lacks is looked for by itself before it is called missing.
    When the list cannot be had, or lacks so much that it can hardly be whole, nothing of the
    firm is recorded. Nothing in the storage or of a document is ever changed. A difference is
    one issue for as long as it is seen; one that a complete look sees no more is resolved.
    Owners and admins get one digest of new issues, the platform's operators get critical ones.
    """
    only = find_firm(firm_id) if firm_id is not None else None
    with closing(get_storage()) as storage:
        run = Run(Clock.read(), storage)
        report = Report(dry_run=dry_run, summary=run.summary)
        for firm in batches.by_key(Firm.objects.all()) if only is None else [only]:
            try:
                _reconcile(firm, run, report)
            except OperationalError:
                raise  # the database is gone, or busy for too long: that is no firm's fault
            except Exception as error:
                report.fail(firm, error)
    return report


def _reconcile(firm: Firm, run: Run, report: Report) -> None:
    """Look at one firm, record what differs in pages, and end the look."""
    report.says(f"Reconciling documents for firm: {firm} (ID: {firm.pk})")
    now, before = run.clock.now, report.tallies.copy()
    looking = Looking(firm, run.storage, now, report)
    error: Problem | None = None
    try:
        if run.down >= ENOUGH:
            raise StorageDown("The storage is down, so this firm was not tried.")
        report.attempt_each(
            looking.suspects(),
            partial(_note, firm=firm, run=run),
            subject=partial(_subject, firm=firm),
        )
    except Problem as problem:
        error = problem
    run.down = run.down + 1 if isinstance(error, StorageDown) else 0
    run.documents += looking.documents
    run.objects += looking.objects
    with report.attempt(firm) as item:
        item.does("reconcile")
        close_look(
            firm=firm,
            source=Source.S3,
            look=Look(
                began_at=now,
                since=firm.created_at,  # it looks at everything
                complete=error is None,
                checked=looking.documents,
                found=report.tallies[FOUND] - before[FOUND],
                fresh=report.tallies[NEW] - before[NEW],
            ),
        )
        if error is not None:
            logger.error("The files of firm %d were not reconciled", firm.pk, exc_info=error)
            item.fail(error)


def _note(items: Sequence[Item[Suspect]], *, firm: Firm, run: Run) -> None:
    """Record a page of differences."""
    sightings = record_findings(
        firm=firm,
        source=Source.S3,
        findings=[item.thing.finding for item in items],
        now=run.clock.now,
    )
    for item, sighting in zip(items, sightings, strict=True):
        if sighting == Sighting.IGNORED:
            item.skip(ReconcileReason.IGNORED)
            continue
        item.does(f"note {item.thing.kind}", tally=FOUND)
        item.tallies.append(item.thing.difference.heading)
        if sighting == Sighting.NEW:
            item.tallies.append(NEW)
        item.says(item.thing.line, bullet="✗")


def _subject(suspect: Suspect, *, firm: Firm) -> Subject:
    finding: Finding = suspect.finding
    return Subject(
        "discrepancies.discrepancy", finding.subject_key, finding.label, finding.kind, firm.pk
    )
