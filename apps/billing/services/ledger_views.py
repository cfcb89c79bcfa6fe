"""Refresh the ledger's reports (spec D4); what they are is in ``apps/billing/views_sql``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models import TextChoices
from django.utils import timezone

from apps.billing.models import LedgerDay, ViewState
from apps.billing.views_sql import VIEWS, LedgerView
from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import BadOption, Problem, sentence
from apps.core.reports import Item, Report, Subject
from apps.firms.models import Firm

MILLISECOND = timedelta(milliseconds=1)
DAY_COLUMNS = ("today", "thirty_ago", "sixty_ago", "ninety_ago")


class ViewReason(TextChoices):
    BASE_NOT_REFRESHED = "base_not_refreshed", "what it is made from was not refreshed"


def refresh_materialized_views(
    *, view: str = "", no_concurrently: bool = False, dry_run: bool = False
) -> Report:
    """Refresh the reports of the ledger: every invoice, revenue by month, receivables by age.

    With ``view`` only the report of that name. How old a debt is, is told by each firm's own
    calendar now. Each report is rebuilt as a whole in one transaction, so readers see the old
    rows or the new ones and never none, and running it again changes nothing. PostgreSQL
    rebuilds beside the readers (``CONCURRENTLY``) where it can; ``no_concurrently`` is faster
    for large changes and keeps readers waiting. A report that fails keeps its old rows, and
    those made from it are left out. A dry run lists the reports.
    """
    wanted = [one for one in VIEWS if view in {"", one.name}]
    if not wanted:
        raise BadOption(f"View '{view}' does not exist.")
    clock = Clock.read()

    def summary(report: Report) -> list[str]:
        verb = report.worded("Refreshed", would="Would refresh")
        return [f"{verb} {report.tallies['views']} of {len(wanted)} views."]

    report = Report(dry_run=dry_run, summary=summary)
    report.expect(len(wanted))
    days = _days(report, clock) if any(one.needs_days for one in wanted) else []
    refresh = Refresh(wanted, days, clock.now, beside_readers=not no_concurrently)
    report.attempt_each(wanted, _plan, subject=_subject, size=1, then=refresh)
    return report


@dataclass
class Refresh:
    """One run over some reports, after each was announced."""

    wanted: Sequence[LedgerView]
    days: Sequence[LedgerDay]
    now: datetime
    beside_readers: bool
    refreshed: set[str] = field(default_factory=set)

    def __call__(self, items: Sequence[Item[LedgerView]]) -> None:
        for item in items:
            view = item.thing
            if base := self._missing(view):
                words = f"Skipped {view.name}: {base} was not refreshed"
                item.skip(ViewReason.BASE_NOT_REFRESHED, words)
                continue
            try:
                state = self._refresh(view)
            except Exception as error:
                self._note(view, failed_at=self.now, last_error=sentence(error))
                raise
            self.refreshed.add(view.name)
            seconds = Decimal(state.duration_ms or 0) / 1000
            item.says(f"Refreshed {view.name} ({state.rows} rows, {seconds:.2f}s)")

    def _missing(self, view: LedgerView) -> str:
        """Name what the report is made from and has no fresh rows; empty when all is there."""
        here = {one.name for one in self.wanted}
        for base in view.made_from:
            ready = base in self.refreshed if base in here else self._was_ever_filled(base)
            if not ready:
                return base
        return ""

    def _was_ever_filled(self, name: str) -> bool:
        return ViewState.objects.refreshed_at(name) is not None

    def _refresh(self, view: LedgerView) -> ViewState:
        with transaction.atomic(durable=True):
            began = timezone.now()
            if view.needs_days:
                _write(self.days)
            rows = _rebuild(view, beside_readers=self.beside_readers)
            lasted = max(0, (timezone.now() - began) // MILLISECOND)
            return self._note(
                view,
                refreshed_at=self.now,
                duration_ms=lasted,
                rows=rows,
                last_error="",
            )

    def _note(self, view: LedgerView, **figures: object) -> ViewState:
        state, _ = ViewState.objects.update_or_create(name=view.name, defaults=figures)
        return state


def _plan(items: Sequence[Item[LedgerView]]) -> None:
    """Announce what will be refreshed; the work itself waits for the commit."""
    for item in items:
        item.does("refresh", tally="views")
        item.says("", would=f"Would refresh {item.thing.name}")


def _subject(view: LedgerView) -> Subject:
    return Subject("billing.ledgerview", view.name, view.name)


def _days(report: Report, clock: Clock) -> list[LedgerDay]:
    """Return what day it is at each firm; a zone that nobody knows counts as UTC."""
    days = []
    for firm in batches.by_key(Firm.objects.only("name", "timezone")):
        try:
            today = firm.today(clock)
        except Problem as problem:
            report.fail(firm, problem)
            today = clock.now.astimezone(UTC).date()
        days.append(LedgerDay.of(firm.pk, today))
    return days


def _write(days: Sequence[LedgerDay]) -> None:
    for batch in batches.batched(days):
        LedgerDay.objects.bulk_create(
            batch, update_conflicts=True, unique_fields=["firm"], update_fields=DAY_COLUMNS
        )


# ---- the two databases ----------------------------------------------------------------


def _rebuild(view: LedgerView, *, beside_readers: bool) -> int:
    """Rebuild a report in the caller's transaction and return how many rows it has."""
    name = connection.ops.quote_name(view.name)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            how = "CONCURRENTLY " if beside_readers and _can_compare(view) else ""
            cursor.execute(f"REFRESH MATERIALIZED VIEW {how}{name}")
        else:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 - a name of ours
            cursor.execute(f"INSERT INTO {name} {view.select}")
        cursor.execute(f"SELECT COUNT(*) FROM {name}")  # noqa: S608
        return int(cursor.fetchone()[0])


def _can_compare(view: LedgerView) -> bool:
    """Whether PostgreSQL can refresh beside the readers: has old rows, and can match them.

    It takes a whole, valid unique index over plain columns that are never null. One over
    expressions or some rows does not do, and rows with a null in their key all look changed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT ARRAY_AGG(CAST(attribute.attname AS TEXT))
            FROM pg_class AS report
            JOIN pg_index AS index ON index.indrelid = report.oid
            JOIN pg_attribute AS attribute
                ON attribute.attrelid = report.oid
                AND attribute.attnum = ANY(index.indkey)
            WHERE report.oid = to_regclass(%s)
                AND report.relispopulated
                AND index.indisunique
                AND index.indisvalid
                AND index.indpred IS NULL
                AND index.indexprs IS NULL
            GROUP BY index.indexrelid
            """,
            [connection.ops.quote_name(view.name)],
        )
        return any(set(columns) == set(view.key) for (columns,) in cursor.fetchall())
