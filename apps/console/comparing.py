"""What is different between two runs: new, changed and gone items.

The database compares, a window of items at a time, so that a million of them are no more
work for a page than a hundred. Two items are about the same when their subject is; they have
changed when outcome, action or amount differ. The twin of an item is found by the index of
everything that was ever decided about a subject, within the time that the other run took.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, TextChoices, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.items import Cursor, Items, Page, page_of
from apps.core.problems import BadOption
from apps.core.reports import Outcome
from apps.jobs.locks import scope_of
from apps.jobs.models import JobRun, JobRunItem
from apps.jobs.recorder import KEPT

WINDOW = 5_000  # items that are compared for one page; each is looked up in the other run
LOOKED_AT = 100  # earlier runs, among which one is comparable
SLACK = timedelta(minutes=1)

_TOLD = (  # states of runs that have decided something
    JobRun.State.DONE,
    JobRun.State.PARTIAL,
    JobRun.State.FAILED,
    JobRun.State.CANCELLED,
    JobRun.State.INTERRUPTED,
    JobRun.State.BLOCKED,
    JobRun.State.CRASHED,
)


class Difference(TextChoices):
    NEW = "new", gettext_lazy("new")
    CHANGED = "changed", gettext_lazy("changed")
    GONE = "gone", gettext_lazy("gone")


@dataclass(frozen=True, slots=True)
class Side:
    """A run with those of its items that are compared."""

    run: JobRun
    items: Items


@dataclass(frozen=True, slots=True)
class Comparison:
    before: Side
    after: Side

    def page(self, kind: Difference, *, after: Cursor | None = None) -> Page:
        """Return a page of items that are new, changed or gone.

        Changed ones have ``was``: the item that the earlier run recorded.
        """
        here, there = self.after, self.before
        if kind == Difference.GONE:
            here, there = there, here
        twins = _twins_in(there)
        rows = here.items.select_related("firm")
        if kind == Difference.CHANGED:
            rows = rows.filter(Exists(twins), ~Exists(_alike(twins)))
            rows = rows.annotate(twin=Subquery(twins.order_by("position").values("pk")[:1]))
        else:
            rows = rows.filter(~Exists(twins))
        page = page_of(here.items, rows, after=after, window=WINDOW)
        if kind == Difference.CHANGED:
            _attach_twins(page.items)
        return page

    @property
    def caveats(self) -> list[str]:
        """Sentences about what cannot be told from what the runs have kept (ADR 0005)."""
        said = []
        for run in (self.before.run, self.after.run):
            if not run.dry_run and max(run.done, run.skipped) > KEPT:
                said.append(
                    _(
                        "Run %(run)d kept only the first %(kept)s of its routine items: one "
                        "that is called new or gone here may have been among the others."
                    )
                    % {"run": run.pk, "kept": f"{KEPT:,}"}
                )
        return said


def compare(
    after: JobRun,
    before: JobRun,
    *,
    seen: Callable[[JobRun], Items] = lambda run: JobRunItem.objects.filter(run=run),
) -> Comparison:
    """Return the comparison of two runs of a job, as far as ``seen`` lets look into them.

    What is applied or retried is compared with those items alone that it took up.
    """
    if after.job != before.job:
        raise BadOption(
            _("Run %(one)d and run %(other)d are runs of different jobs.")
            % {"one": before.pk, "other": after.pk}
        )
    items = seen(before)
    if after.preview_id == before.pk:
        items = items.filter(outcome=Outcome.DONE)
    elif after.retry_of_id == before.pk:
        items = items.filter(outcome=Outcome.FAILED)
    return Comparison(Side(before, items), Side(after, seen(after)))


def comparable_to(run: JobRun, runs: QuerySet[JobRun]) -> JobRun | None:
    """Return which of ``runs`` a run is best compared with; nothing when there is none.

    That is the preview it applies, the run it retries, or else the last one before it with
    the same job and scope that was real, or a preview, as it is.
    """
    if particular := run.preview_id or run.retry_of_id:
        return runs.filter(pk=particular).first()
    before = (
        runs.filter(
            job=run.job,
            dry_run=run.dry_run,
            started_at__lt=run.started_at,
            state__in=_TOLD,
            preview=None,
            retry_of=None,
        )
        .exclude(pk=run.pk)
        .order_by("-started_at")[:LOOKED_AT]
    )
    scope = scope_of(run.arguments)
    return next((each for each in before if scope_of(each.arguments) == scope), None)


def _twins_in(side: Side) -> Items:
    run = side.run
    twins = side.items.filter(
        subject_kind=OuterRef("subject_kind"),
        subject_key=OuterRef("subject_key"),
        subject_part=OuterRef("subject_part"),
    )
    if run.ended_at:
        twins = twins.filter(recorded_at__lte=run.ended_at + SLACK)
    if run.starts == 1:  # one that was started again had begun before
        twins = twins.filter(recorded_at__gte=run.started_at - SLACK)
    return twins


def _alike(twins: Items) -> Items:
    """Return those twins that came out the same; without an amount there is no currency."""
    return twins.annotate(minor=Coalesce("amount_minor", Value(0))).filter(
        outcome=OuterRef("outcome"),
        action=OuterRef("action"),
        currency=OuterRef("currency"),
        minor=Coalesce(OuterRef("amount_minor"), Value(0)),
    )


def _attach_twins(items: list[Any]) -> None:
    twins = JobRunItem.objects.in_bulk([item.twin for item in items])
    for item in items:
        item.was = twins[item.twin]
