"""A preview as a plan: do exactly what it showed, and nothing else."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.utils import timezone
from moneyed import Money

from apps.core import money
from apps.core.problems import BadOption
from apps.core.reports import Item, Outcome, Subject
from apps.core.watching import Effect, Identity, Stale
from apps.jobs.job import Job, Literal, find
from apps.jobs.models import APPLICABLE, JobRun

ACTION_LENGTH = 200  # as the record keeps it


class _Shown(NamedTuple):
    """What a preview showed of one item; a tuple, because a plan may hold very many."""

    label: str
    firm_id: int | None
    action: str
    amount_minor: int | None
    currency: str

    @property
    def amount(self) -> Money | None:
        if self.amount_minor is None:
            return None
        return money.from_minor(self.amount_minor, self.currency)


class Plan:
    """The effects that a dry run showed, in their order, by identity of their subject."""

    def __init__(self, preview: JobRun) -> None:
        self.preview = preview
        self._shown: dict[Identity, list[_Shown]] = {}
        self._ended: Counter[Identity] = Counter()
        rows = preview.items.filter(outcome=Outcome.DONE).order_by("position")
        for kind, key, part, label, firm_id, action, minor, currency in rows.values_list(
            "subject_kind",
            "subject_key",
            "subject_part",
            "subject_label",
            "firm_id",
            "action",
            "amount_minor",
            "currency",
        ).iterator():
            shown = _Shown(label, firm_id, action, minor, currency)
            self._shown.setdefault((kind, key, part), []).append(shown)

    def __contains__(self, identity: Identity) -> bool:
        return identity in self._shown

    def compare(self, effects: Sequence[Effect]) -> None:
        """Raise ``Stale`` for the first effect that differs from what was shown.

        An item more than was shown of a subject is only let through if it names no effect:
        it writes what came of an earlier one (the answer to a call, spec A5.4).
        """
        turns = Counter(self._ended)
        for identity, action, amount in effects:
            shown = self._shown[identity]
            turn = turns[identity]
            turns[identity] += 1
            if turn >= len(shown):
                if action or amount is not None:
                    raise Stale("not in the preview")
                continue
            before = shown[turn]
            if _figure(before.amount) != _figure(amount):
                raise Stale(f"previewed {_written(before.amount)}, now {_written(amount)}")
            if before.action != action[:ACTION_LENGTH]:
                raise Stale(f"previewed “{before.action}”, now “{action}”")

    def ended(self, identity: Identity) -> None:
        """Note that an item of the preview has been dealt with."""
        self._ended[identity] += 1

    def gone(self) -> list[Item[Any]]:
        """Return the items that were shown but did not come up any more, as stale."""
        gone = []
        for identity, effects in self._shown.items():
            kind, key, part = identity
            for shown in effects[self._ended[identity] :]:
                subject = Subject(kind, key, shown.label, part, shown.firm_id)
                item: Item[Any] = Item(subject, None, dry_run=False)
                item.does(shown.action, shown.amount)
                item.stale("no longer due")
                gone.append(item)
        return gone


def to_apply(preview: JobRun) -> tuple[Job, dict[str, Literal]]:
    """Return what to run, and with which arguments, in order to apply a preview.

    Raises ``BadOption`` for a run that is no preview or must not be applied. One that was
    applied in part may be applied again: what is done already is not due any more.
    """
    if not preview.dry_run:
        raise BadOption(f"Run {preview.pk} is not a preview.")
    if preview.ended_at is None:
        raise BadOption(f"Run {preview.pk} has not ended yet.")
    if preview.state not in {JobRun.State.DONE, JobRun.State.PARTIAL}:
        raise BadOption(f"Run {preview.pk} ended as {preview.state} and cannot be applied.")
    arguments = {k: v for k, v in preview.arguments.items() if k != "dry_run"}
    if preview.ended_at < timezone.now() - APPLICABLE:
        days = APPLICABLE.days
        raise BadOption(f"Run {preview.pk} is older than {days} days and cannot be applied.")
    if as_of := arguments.get("as_of"):
        raise BadOption(f"Run {preview.pk} looked at {as_of} and cannot be applied.")
    for other in preview.applications.order_by("pk"):
        if other.state == JobRun.State.DONE:
            raise BadOption(f"Run {preview.pk} has been applied already (run {other.pk}).")
        if other.state in JobRun.UNDER_WAY:
            raise BadOption(f"Run {preview.pk} is being applied already (run {other.pk}).")
    job = find(preview.job)
    return job, job.bind(arguments)


def _figure(amount: Money | None) -> tuple[int, str] | None:
    return None if amount is None else (money.to_minor(amount), amount.currency.code)


def _written(amount: Money | None) -> str:
    return "no amount" if amount is None else money.write(amount)
