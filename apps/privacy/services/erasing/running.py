"""Carry out requests to be erased (spec D8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from apps.audit.services import record
from apps.core.days import Clock
from apps.core.fields import Secrets
from apps.core.problems import BadOption, Problem
from apps.core.reports import Item, Outcome, Report, Skip, Subject
from apps.firms.models import Firm
from apps.privacy.models import ErasureRequest, ErasureStep
from apps.privacy.services.erasing.covering import Covers, whom, why_blocked
from apps.privacy.services.erasing.marks import Mark, Marks, counted
from apps.privacy.services.erasing.parts import Part, erase_part
from apps.privacy.services.erasing.reasons import Reason
from apps.privacy.services.erasing.steps import due_steps, take_step
from apps.privacy.services.erasing.tallies import Decided, Decision, Tally
from apps.privacy.services.erasing.verifying import traces_of

Status = ErasureRequest.Status

# What can begin, or go on: of what is partially completed a hold may have been released.
POSSIBLE = (Status.APPROVED, Status.BLOCKED, Status.IN_PROGRESS, Status.PARTIALLY_COMPLETED)
TO_BEGIN = (Status.APPROVED, Status.BLOCKED)
PROFILE = "profile"  # a category of one row

_DONE = {
    Decision.ERASED: "{category}: {rows}erased",
    Decision.ANONYMISED: "{category}: {rows}anonymised",
    Decision.RETAINED: "{category}: {rows}retained{until}{reason}",
    Decision.HELD: "{category}: {rows}held{reason}",
}
_WOULD = {
    Decision.ERASED: "Would erase {rows}{category}",
    Decision.ANONYMISED: "Would anonymise {rows}{category}",
    Decision.RETAINED: "Would retain {rows}{category}{until}{reason}",
    Decision.HELD: "Would leave {rows}{category} alone{reason}",
}


def execute_erasure_request(*, request_id: int | None = None, dry_run: bool = False) -> Report:
    """Carry out approved requests of people to be erased.

    With ``request_id`` that request; without it every approved one, those that were blocked
    and no longer are, and those of which something is left to do. What belongs to one firm
    is one transaction, and so is what belongs to none: rows are deleted, made nobody's, or
    kept for the law until the end of its years, as the apps' pages say (``personal.py``);
    what a legal hold keeps is left alone and counted. Before anything is done, whatever has
    to be settled first blocks it: a living lease, an open balance or dispute, the last owner
    of a firm. Calls that leave the building come after the commit and are repeated until
    they are confirmed. At last every text column of every table is searched for the person;
    only when none is found the request is completed. A part that is done is never done
    again, so it is safe to repeat.
    """
    clock = Clock.read()
    runs = [_find(request_id, clock.now)] if request_id is not None else list(_due(clock.now))

    def summary(report: Report) -> list[str]:
        closings = [(run.request, run.closing(report)) for run in runs]
        if len(closings) > 1:
            return [f"{request}: {closing}" for request, closing in closings]
        return [closing for _, closing in closings] or ["No erasure requests are due."]

    report = Report(dry_run=dry_run, summary=summary)
    for run in runs:
        run.carry_out(report)
    return report


def _find(request_id: int, now: datetime) -> "Run":
    """Return the run of a request that may be carried out, or has been.

    Raises ``BadOption`` for any other.
    """
    try:
        request = ErasureRequest.objects.get(pk=request_id)
    except ErasureRequest.DoesNotExist:
        raise BadOption(f"Erasure request {request_id} does not exist.") from None
    if request.status not in {*POSSIBLE, Status.COMPLETED}:
        status = request.status
        raise BadOption(f"Erasure request {request_id} is not approved (status: {status}).")
    return Run(request, now, at_once=True)


def _due(now: datetime) -> Iterator["Run"]:
    """Yield the runs of what can begin or go on."""
    for request in possible().order_by("pk"):
        run = Run(request, now, at_once=False)
        if run.has_work():
            yield run


def possible() -> "QuerySet[ErasureRequest]":
    """Return the requests that were approved and are not carried out in full."""
    return ErasureRequest.objects.filter(status__in=POSSIBLE)


def has_work(request: ErasureRequest, *, now: datetime) -> bool:
    """Tell whether anything of a request can be done now."""
    return Run(request, now, at_once=False).has_work()


@dataclass
class Run:
    """One run over one request, as far as it gets."""

    request: ErasureRequest
    now: datetime
    at_once: bool  # do not wait until a failed step is due again
    covers: Covers | None = None
    marks: Marks = field(default_factory=Marks)
    again: frozenset[int | None] = frozenset()  # parts of which a hold was released
    tally: Tally = field(default_factory=Tally)
    shared: frozenset[Mark] = frozenset()  # what others are recognised by, too
    reasons: Sequence[str] = ()
    progressed: bool = False  # a part was done by this run
    traces: Sequence[str] = ()
    ended_before: str = ""  # there was nothing to do, and why

    def __post_init__(self) -> None:
        on = self.request.closed_at and self.request.closed_at.date()
        if self.request.status == Status.COMPLETED:
            self.ended_before = f"was completed on {on}; nothing to do."
        elif self.request.status not in TO_BEGIN:
            self.covers = Covers.read(self.request.covers)
            self.marks = Marks.read(self.request.marks)
            self.again = frozenset(self._released())
            for action in self.request.actions.order_by("pk"):
                if action.firm_id not in self.again:
                    self.tally.merge([Decided.read(action)])
            if self.request.status == Status.PARTIALLY_COMPLETED and not self.again:
                held = f"{self.tally.total(Decision.HELD)} records are still held"
                self.ended_before = f"was partially completed on {on}; {held}."

    def has_work(self) -> bool:
        """Whether anything can be done now."""
        if self.request.status in TO_BEGIN or self.ended_before:
            return not self.ended_before
        waiting = self.request.steps.filter(done_at=None, next_attempt_at__gt=self.now)
        return bool(self.again or self._parts_left()) or not waiting.exists()

    def carry_out(self, report: Report) -> None:
        """Do what can be done now, each part as an item of the report."""
        if self.ended_before:
            return
        report.says(f"{self.request} for {self.request.whom}")
        if not self._begin(report):
            return
        for firm_id in self._parts_left():
            self._erase(report, firm_id)
        for line in self._lines(report):
            report.says(f"  {line}")
        self._have_done_outside(report)
        self._finish(report)

    # ---- one after the other --------------------------------------------------------------

    def _begin(self, report: Report) -> bool:
        """Let the erasure begin, unless something has to be settled first."""
        if self.request.status == Status.IN_PROGRESS:
            return True
        with report.attempt(self.request, part="begin") as item:
            request = ErasureRequest.objects.select_for_update().get(pk=self.request.pk)
            if request.status != self.request.status:
                raise Skip(Reason.DONE_MEANWHILE)
            if request.status in TO_BEGIN:
                self.marks = Marks.of(whom(request))
                self.covers = Covers.of(request, self.marks)
            assert self.covers is not None
            self.reasons = why_blocked(self.covers, self.covers.firms)
            if self.reasons:
                self._block(request)
                item.decline(Reason.BLOCKED, f"Blocked: {'; '.join(self.reasons)}")
            else:
                request.status, request.blocked_by = Status.IN_PROGRESS, []
                request.covers, request.marks = self.covers.kept(), self.marks.kept()
                request.save(update_fields=["status", "blocked_by", "covers", "marks"])
                item.does("begin")
        return item.outcome == Outcome.DONE

    def _block(self, request: ErasureRequest) -> None:
        """Say what blocks it; what is said already is not written again."""
        if request.status in TO_BEGIN:
            request.status, request.blocked_by = Status.BLOCKED, list(self.reasons)
            request.save(update_fields=["status", "blocked_by"])

    def _erase(self, report: Report, firm_id: int | None) -> None:
        assert self.covers is not None
        firm = Firm.objects.get(pk=firm_id) if firm_id is not None else None
        again = firm_id in self.again
        part = Part(self.request, self.covers, self.marks, firm, self.now, again=again)
        where = f"in {firm}" if firm else "outside firms"
        subject = Subject.of(
            self.request, part=str(firm_id or ""), label=f"{self.request} {where}"
        )
        with report.attempt(subject) as item:
            tally = erase_part(part)
            item.does(f"erase: {tally.figures}")
        if not item.undone:
            self.tally.merge(tally)
            self.shared |= part.shared.all
        if item.committed:
            self.progressed, self.again = True, self.again - {firm_id}

    def _have_done_outside(self, report: Report) -> None:
        steps = due_steps(self.request, now=self.now, at_once=self.at_once)

        def announce(items: Sequence[Item[ErasureStep]]) -> None:
            for item in items:
                item.does("have it done outside")

        def take(items: Sequence[Item[ErasureStep]]) -> None:
            for item in items:
                take_step(item.thing, now=self.now)

        report.attempt_each(steps, announce, subject=Subject.of, size=1, then=take)

    def _finish(self, report: Report) -> None:
        """Look for traces; when there are none and nothing is left to do, complete it."""
        self.request.refresh_from_db()
        if self.request.status != Status.IN_PROGRESS or self._parts_left():
            return
        unconfirmed = self._unconfirmed()
        if unconfirmed and not self.progressed:
            return  # it was searched when its parts were done
        assert self.covers is not None
        self.traces = traces_of(self.request, self.covers, self.marks, now=self.now)
        if self.traces:
            subject = Subject.of(self.request, part="verification")
            report.fail(subject, Problem(f"still found in {', '.join(self.traces)}"))
        elif not unconfirmed:
            with report.attempt(self.request, part="completion") as item:
                self._complete()
                item.does("complete")

    def _complete(self) -> None:
        held = bool(self.tally.total(Decision.HELD))
        status = Status.PARTIALLY_COMPLETED if held else Status.COMPLETED
        # What the person is recognised by is needed again when a hold is released.
        marks = self.request.marks if held else Secrets()
        same = ErasureRequest.objects.filter(pk=self.request.pk, status=Status.IN_PROGRESS)
        if not same.update(status=status, closed_at=self.now, marks=marks, updated_at=self.now):
            raise Skip(Reason.DONE_MEANWHILE)
        record(
            f"erasure_{status}", self.request, changes={"status": [Status.IN_PROGRESS, status]}
        )
        self.request.status = status

    # ---- how far it is --------------------------------------------------------------------

    def _parts_left(self) -> list[int | None]:
        """Return the firms, and nothing for what belongs to none, that are still to be done."""
        assert self.covers is not None
        done = set(self.request.parts.values_list("firm", flat=True)) - self.again
        return [firm_id for firm_id in (*self.covers.firms, None) if firm_id not in done]

    def _released(self) -> Iterator[int | None]:
        """Yield the parts of which a hold keeps fewer rows than when they were done."""
        assert self.covers is not None
        held = self.request.actions.filter(decision=Decision.HELD)
        for firm_id in set(held.values_list("firm", flat=True)):
            firm = Firm.objects.get(pk=firm_id) if firm_id is not None else None
            part = Part(self.request, self.covers, self.marks, firm, self.now)
            before = sum(one.rows for one in held if one.firm_id == firm_id)
            if part.count_held() < before:
                yield firm_id

    def _unconfirmed(self) -> int:
        return self.request.steps.filter(done_at=None).count()

    # ---- in words -------------------------------------------------------------------------

    def _lines(self, report: Report) -> Iterator[str]:
        words = report.worded("done", would="would")
        for one in self.tally:
            yield (_WOULD if words == "would" else _DONE)[one.decision].format(
                category=one.category,
                rows="" if one.category == PROFILE else f"{one.rows} ",
                until=f" until {one.until}" if one.until else "",
                reason=f" ({one.reason})" if one.reason else "",
            )
        if self.shared:
            yield f"not looked for: {counted(self.shared)} that others have, too"
        if vague := self.marks.vague:
            yield f"not looked for: {vague} name{'s' * (vague != 1)} of a single word"

    def closing(self, report: Report) -> str:
        """Return what came of it, in one sentence."""
        request, figures = self.request, self.tally.figures
        if self.ended_before:
            return f"{request} {self.ended_before}"
        if self.reasons:
            count = len(self.reasons)
            verb = report.worded("is", would="would be")
            return (
                f"{request} {verb} blocked by {count} {'thing' + 's' * (count != 1)} to settle."
            )
        if would := report.worded("", would="Would complete the erasure"):
            return f"{would}: {figures}."
        if request.status in {Status.COMPLETED, Status.PARTIALLY_COMPLETED}:
            return f"Erasure {request.get_status_display().lower()}: {figures}."
        return f"Erasure in progress: {figures}; {self._what_is_left()}."

    def _what_is_left(self) -> str:
        if self.traces:
            return "traces were found"
        if parts := len(self._parts_left()) if self.covers else 0:
            return f"{parts} part{'s' * (parts != 1)} left to do"
        steps = self._unconfirmed()
        return f"{steps} step{'s' * (steps != 1)} outside not confirmed yet"
