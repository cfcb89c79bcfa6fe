"""Let data go when a firm's retention policy says so (spec D6)."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from apps.core.batches import by_key, key_pages
from apps.core.days import Clock
from apps.core.personal import Expiry, Removal, expiries, needs, under_hold
from apps.core.problems import Problem
from apps.core.reports import Report, Subject, block
from apps.firms.models import Firm, RetentionPolicy
from apps.firms.services import find_firm, holds_of, why_not_served
from apps.privacy.models import RetentionRun

BATCH = 1000  # rows in one transaction
FIRMS, PROCESSED, HELD = "firms", "processed", "held"  # tallies

Action = RetentionPolicy.Action
_DONE = {Action.DELETE: "deleted", Action.ANONYMISE: "anonymised"}


def execute_retention_policies(
    *, firm_id: int | None = None, data_type: str | None = None, dry_run: bool = False
) -> Report:
    """Delete or anonymise what firms' retention policies say is too old.

    Of every trial and active firm; a suspended one's data are kept for its return (C-31). A
    row is due when its time is strictly before the local midnight of so many days ago, and
    nothing still needs it. What a legal hold covers is counted and left alone. Rows go by
    ascending key, a thousand in one transaction, which is one item on the record; holds are
    asked again for each, so that one placed meanwhile counts. Whatever stops a run, the next
    does what is left, and ``RetentionRun`` has one row for what went before a cutoff however
    many runs it took. A policy that keeps audit logs shorter than the firm must fails. Of
    people in several firms, sessions go only when every firm is asked for.
    """
    clock = Clock.read()
    report = Report(dry_run=dry_run, summary=_summary)
    policies = RetentionPolicy.objects.filter(is_active=True)
    if data_type is not None:
        policies = policies.filter(data_type=data_type)
    for firm in by_key(_firms(report, policies, firm_id)):
        report.tallies[FIRMS] += 1
        report.says(f"Firm: {firm} (ID: {firm.pk})")
        for policy in sorted(policies.filter(firm=firm).select_related("firm"), key=_turn):
            try:
                _Turn(report, policy, clock).take(everywhere=firm_id is None)
            except Exception as error:
                report.fail(Subject.of(policy, label=policy.data_type), error)
    return report


def _firms(
    report: Report, policies: "QuerySet[RetentionPolicy]", firm_id: int | None
) -> "QuerySet[Firm]":
    """Return the served firms that have policies, and say which is left out."""
    firms = Firm.objects.served().filter(Exists(policies.filter(firm=OuterRef("pk"))))
    if firm_id is None:
        return firms
    firm = find_firm(firm_id)
    if left_out := why_not_served(firm):
        report.says(left_out)
    return firms.filter(pk=firm.pk)


def _turn(policy: RetentionPolicy) -> int:
    return RetentionPolicy.DataType.values.index(policy.data_type)


class _Turn:
    """One policy's turn in a run."""

    def __init__(self, report: Report, policy: RetentionPolicy, clock: Clock) -> None:
        if problem := policy.too_short:
            raise Problem(problem)
        self.report, self.policy, self.now = report, policy, clock.now
        self.cutoff = policy.cutoff(clock)
        self.processed = self.held = 0
        self.failed_before = report.failed

    def take(self, *, everywhere: bool) -> None:
        """Let go of what is due; ``everywhere`` also of what several firms share."""
        for expiry in expiries():
            if expiry.data_type == self.policy.data_type and (everywhere or not expiry.shared):
                self._let_go(expiry)
        self._close()

    # ---- which ----------------------------------------------------------------------------

    def _due(self, expiry: Expiry) -> "QuerySet[Any]":
        rows = expiry.due(self.policy.firm_id, self.cutoff)
        if self.policy.action == Action.ANONYMISE:
            rows = rows.exclude(expiry.anonymised)
        for need in needs():
            if need.model is expiry.model:
                rows = rows.exclude(need.rows(self.policy.firm_id, self.cutoff))
        return rows

    def _under_hold(self, expiry: Expiry) -> Q:
        return under_hold(expiry.model, holds_of(self.policy.firm_id))

    # ---- letting go -----------------------------------------------------------------------

    def _let_go(self, expiry: Expiry) -> None:
        due, under_hold = self._due(expiry), self._under_hold(expiry)
        self._count(held=due.filter(under_hold).count())
        for keys in key_pages(due.exclude(under_hold), size=BATCH):
            self._count(gone=self._batch(expiry, keys))
        if expiry.removal:
            self._remove(expiry, expiry.removal)

    def _batch(self, expiry: Expiry, keys: Sequence[int]) -> int:
        """Let go of some rows in one transaction; return how many have gone, or would have."""
        rows_name = expiry.model._meta.verbose_name_plural
        label = f"{len(keys)} {rows_name} from {keys[0]} to {keys[-1]}"
        with self.report.attempt(self._subject(expiry, keys[0], label)) as item:
            # Asked again: a row may be held, needed or gone by now.
            rows = self._due(expiry).exclude(self._under_hold(expiry)).filter(pk__in=keys)
            rows = rows.select_for_update().order_by("pk")
            standing = list(rows.values_list("pk", flat=True))
            deletes = self.policy.action == Action.DELETE
            act = expiry.delete if deletes else expiry.anonymise
            count = act(standing, self.now)
            if not expiry.removal:
                self._record(processed=F("processed") + count)
            item.does(f"{self.policy.action} {len(standing)} {rows_name}")
        only_marked = item.committed and expiry.removal
        return 0 if item.undone or only_marked else count

    def _remove(self, expiry: Expiry, removal: Removal) -> None:
        """Remove outside the building what is marked, now and by earlier runs."""
        firm_id, under_hold = self.policy.firm_id, self._under_hold(expiry)
        rows_name = expiry.model._meta.verbose_name_plural
        subject = self._subject(expiry, firm_id, f"marked {rows_name}")
        with self.report.attempt(subject) as item:
            marked = removal.marked(firm_id)
            held, waiting = marked.filter(under_hold).count(), marked.count()
            item.does(f"remove marked {rows_name}")
        if item.undone:
            return
        self._count(held=held)
        if not item.committed:
            self._count(gone=waiting - held)
            return
        removed = removal.remove(firm_id, under_hold, self.now)
        if removed.left:
            text = f"{removed.left} left for the next run: {removed.problem}"
            self.report.fail(subject, Problem(text))
        with transaction.atomic():
            self._record(processed=F("processed") + removed.gone)
        self._count(gone=removed.gone)

    def _subject(self, expiry: Expiry, key: int, label: str) -> Subject:
        kind = expiry.model._meta.label_lower
        return Subject(kind, str(key), label, firm_id=self.policy.firm_id)

    # ---- what came of it ------------------------------------------------------------------

    def _count(self, *, gone: int = 0, held: int = 0) -> None:
        self.processed += gone
        self.held += held
        self.report.tallies[PROCESSED] += gone
        self.report.tallies[HELD] += held

    def _record(self, **figures: Any) -> None:
        """Write figures down, in the transaction of what they count."""
        record, _ = RetentionRun.objects.get_or_create(
            firm_id=self.policy.firm_id,
            data_type=self.policy.data_type,
            action=self.policy.action,
            cutoff=self.cutoff.at,
            defaults={"ran_at": self.now},
        )
        RetentionRun.objects.filter(pk=record.pk).update(**figures)

    def _close(self) -> None:
        done = _DONE[Action(self.policy.action)]
        subject = Subject.of(self.policy, label=self.policy.data_type)
        with self.report.attempt(subject) as item:
            self._record(held=self.held, failed=self.report.failed - self.failed_before)
            item.does(f"{self.processed} {done}, {self.held} held")
        done = self.report.worded(done, would=f"would be {done}")
        self.report.says(
            f"  {self.policy.data_type}: {self.processed} {done}, {self.held} held "
            f"(before {self.cutoff.day})"
        )


def _summary(report: Report) -> list[str]:
    tallies = report.tallies
    processed = report.worded("Records processed", would="Records that would be processed")
    return block(
        ("Firms processed", tallies[FIRMS]),
        (processed, tallies[PROCESSED]),
        ("Records held", tallies[HELD]),
        ("Errors", report.failed),
    )
