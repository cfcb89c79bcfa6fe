"""Writes one run's story as it happens, and stops it between items."""

import logging
import time
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from typing import Any, NoReturn

from django.utils import timezone

from apps.core import bulk, money
from apps.core.reports import Item, Outcome, Report
from apps.core.watching import Blocked, Effect, Identity, Stop, Watcher
from apps.jobs import locks
from apps.jobs.job import Job
from apps.jobs.models import JobRun, JobRunItem, RunLock
from apps.jobs.previews import ACTION_LENGTH, Plan

logger = logging.getLogger(__name__)

HEARTBEAT = 5.0  # seconds between signs of life
FLUSH = 500  # items written at once
KEPT = 1000  # how many items done are kept of a run; failures and the like always are

_COLUMNS = (
    "run",
    "firm",
    "position",
    "subject_kind",
    "subject_key",
    "subject_part",
    "subject_label",
    "outcome",
    "action",
    "reason",
    "detail",
    "amount_minor",
    "currency",
)


class Cancelled(Stop):
    """Somebody asked for it."""


class Interrupted(Stop):
    """The process is asked to end, or the run lock has moved on."""


class Busy(Stop):
    """Another run of the same job is in progress."""


class Paused(Stop):
    """Its schedules are to start nothing for now."""


class Duplicate(Stop):
    """The queue delivered a task again whose run is going on or over."""


class Recorder(Watcher):
    """Writes one run's story as it happens."""

    def __init__(
        self,
        run: JobRun,
        job: Job,
        *,
        plan: Plan | None = None,
        only: Container[Identity] | None = None,
    ) -> None:
        self.run, self.job, self.plan = run, job, plan
        self.only = only  # a retry: what had failed
        self.lock: RunLock | None = None
        self.refusal: Stop | None = None  # the run must not do anything
        self.stop_asked = False  # set by a signal handler: stop between items
        self.stopped: Stop | None = None
        self.would_block = ""  # a dry run: the bound that the real run would break
        self.report: Report | None = None
        self.gone: list[Item[Any]] = []  # shown by the preview, but no longer due
        self.beat_every = HEARTBEAT
        # A run that lost its worker and is started again goes on counting.
        self.counts = Counter({outcome: getattr(run, outcome) for outcome in Outcome})
        self.money: Counter[str] = Counter(run.money)
        self._rows: list[tuple[object, ...]] = []
        self._position = sum(self.counts.values())
        self._kept: Counter[Outcome] = Counter()
        self._beat_at = time.monotonic()
        self._given_up = False  # the run has been marked as lost behind our back

    # ---- what a report tells ------------------------------------------------------------

    def opened(self, report: Report) -> None:
        self.report = self.report or report  # a job that calls another is still itself
        if self.refusal:
            self._stop(self.refusal)

    def expects(self, items: int) -> None:
        self.run.expected = (self.run.expected or 0) + items  # written with the next beat

    def between(self) -> None:
        self.stopped = None  # a bound that a whole batch would have broken
        if self.stop_asked:
            self._stop(Interrupted("Interrupted"))
        if time.monotonic() - self._beat_at >= self.beat_every:
            self.beat()
        if self._given_up:
            self._stop(Interrupted("The run was given up as lost; another does what is left."))

    def wants(self, identity: Identity) -> bool:
        if self.only is not None and identity not in self.only:
            return False
        return self.plan is None or identity in self.plan

    def weigh(self, effects: Sequence[Effect]) -> None:
        if self.plan is not None:
            self.plan.compare(effects)
        if self.run.dry_run or self.job.bound is None:
            return
        money_after = Counter(self.money)
        for _, _, amount in effects:
            if amount is not None:
                money_after[amount.currency.code] += money.to_minor(amount)
        if broken := self._bound_broken(self.counts[Outcome.DONE] + len(effects), money_after):
            self._stop(Blocked(f"{broken}; nothing beyond done."))

    def told(self, items: Sequence[Item[Any]]) -> None:
        for item in items:
            self.counts[item.outcome] += 1
            if item.amount is not None and item.outcome == Outcome.DONE:
                self.money[item.amount.currency.code] += money.to_minor(item.amount)
            if self.plan is not None:
                self.plan.ended(item.subject.identity)
            if self._keeps(item):
                self._rows.append(self._row(item))
            self._position += 1
        if self.run.dry_run and not self.would_block:
            self.would_block = self._bound_broken(self.counts[Outcome.DONE], self.money)
        if len(self._rows) >= FLUSH:
            self._write()

    def names(self) -> Mapping[str, Any]:
        return {"run": self.run.pk, "job": self.job.name}

    # ---- heartbeat and end ----------------------------------------------------------------

    def beat(self) -> None:
        """Write what is pending, show a sign of life, and see whether to go on."""
        self._beat_at = time.monotonic()
        self._write()
        if self.lock and not locks.renew(self.lock):
            self._stop(Interrupted("The run lock has passed to another run."))
        cancelled = JobRun.objects.filter(pk=self.run.pk, cancel_requested_at__isnull=False)
        if cancelled.exists():
            self._stop(Cancelled("Cancelled"))

    def finish_plan(self) -> None:
        """Record what the preview showed and the run, now through, did not meet."""
        if self.plan is not None:
            self.gone = self.plan.gone()
            self.told(self.gone)

    def end(self, state: str, problem: str) -> None:
        """Write the last items and close the run."""
        now = timezone.now()
        try:
            self._flush()
            # Not if another worker was given the same run and has started it again.
            JobRun.objects.filter(pk=self.run.pk, starts=self.run.starts).update(
                state=state,
                problem=problem[:1000],
                summary=self._summary(),
                ended_at=now,
                heartbeat_at=now,
                **self._figures(),
            )
            self.run.refresh_from_db()
        finally:
            if self.lock:
                locks.release(self.lock)

    # ---- inside ---------------------------------------------------------------------------

    def _stop(self, stop: Stop) -> NoReturn:
        self.stopped = stop
        raise stop

    def _bound_broken(self, items: int, amounts: Mapping[str, int]) -> str:
        bound = self.job.bound
        if bound is None:
            return ""
        if bound.items is not None and items > bound.items:
            return f"More than {bound.items} items in one run"
        for code, most in bound.money.items():
            if amounts.get(code, 0) > most:
                return f"More than {money.write_minor(most, code)} in one run"
        return ""

    def _keeps(self, item: Item[Any]) -> bool:
        """Keep a preview whole, of a real run what needs attention and a sample of the rest.

        A routine skip ("already invoiced") says only what the database says; a large firm
        would write millions of them a day.
        """
        routine = item.outcome == Outcome.DONE or getattr(item.reason, "routine", False)
        if self.run.dry_run or not routine:
            return True
        self._kept[item.outcome] += 1
        return self._kept[item.outcome] <= KEPT

    def _row(self, item: Item[Any]) -> tuple[object, ...]:
        subject, amount = item.subject, item.amount
        return (
            self.run.pk,
            subject.firm_id,
            self._position,
            *subject.identity,
            subject.label[:200],
            str(item.outcome),
            item.action[:ACTION_LENGTH],
            str(item.reason or ""),
            item.detail[:300],
            None if amount is None else money.to_minor(amount),
            "" if amount is None else amount.currency.code,
        )

    def _write(self) -> None:
        self._flush()
        alive = JobRun.objects.filter(
            pk=self.run.pk, starts=self.run.starts, state=JobRun.State.RUNNING
        ).update(heartbeat_at=timezone.now(), **self._figures())
        self._given_up = not alive

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        bulk.insert(JobRunItem, _COLUMNS, rows)

    def _figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = {str(o): self.counts[o] for o in Outcome}
        return figures | {"money": dict(self.money), "expected": self.run.expected}

    def _summary(self) -> str:
        try:
            return "\n".join(self.report.summary()) if self.report else ""
        except Exception:  # the run must be closed all the same
            logger.exception("%s has no summary", self.run)
            return ""
