"""What an erasure must have done outside the building: after the commit, until it is done."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from apps.core.hashes import keyed_hashes
from apps.core.personal import Step, outside
from apps.core.problems import Problem, sentence
from apps.firms.models import Firm
from apps.installations.leaving import refuse_if_strange
from apps.privacy.models import ErasureRequest, ErasureStep

# How long after each failure it is tried again; the last holds for all that follow.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 3 * 60, 12 * 60, 24 * 60))

_PURPOSE = "privacy.erasurestep"


def plan_steps(
    request: ErasureRequest, steps: Iterable[Step], *, firm: Firm | None, now: datetime
) -> None:
    """Write down what has to be done outside, in the transaction that makes it necessary.

    What is planned or done already for the request is left out.
    """
    done = set(request.steps.exclude(done_at=None).values_list("key", flat=True))
    ErasureStep.objects.bulk_create(
        [
            ErasureStep(
                request=request, firm=firm, kind=step.kind, key=step.key, next_attempt_at=now
            )
            for step in steps
            if _digest(request, step) not in done
        ],
        ignore_conflicts=True,
    )


def due_steps(
    request: ErasureRequest, *, now: datetime, at_once: bool
) -> Sequence[ErasureStep]:
    """Return what is to be done outside now; ``at_once`` does not wait after a failure."""
    due = Q() if at_once else Q(next_attempt_at__lte=now)
    return list(request.steps.filter(due, done_at=None).order_by("pk"))


def take_step(step: ErasureStep, *, now: datetime) -> None:
    """Have one thing done outside, and write down what came of it.

    Called outside any transaction; an error goes on to the caller. A crash between the call
    and the record repeats the call, which is harmless. Once it is done, what it was done to
    is known by a keyed hash only.
    """
    refuse_if_strange()  # which is no failure of the step's
    try:
        do = outside().get(step.kind)
        if do is None:
            raise Problem(f"Nobody knows how to do '{step.kind}'.")
        do(step.key)
    except Exception as error:
        wait = WAITS[min(step.attempts, len(WAITS) - 1)]
        again = {"attempts": step.attempts + 1, "next_attempt_at": now + wait}
        _record(step, now, **again, problem=sentence(error)[:200])
        raise
    digest = _digest(step.request, step)
    _record(step, now, done_at=now, key=digest, problem="")


def _record(step: ErasureStep, now: datetime, **what: object) -> None:
    ErasureStep.objects.filter(pk=step.pk, done_at=None).update(**what, updated_at=now)


def _digest(request: ErasureRequest, step: ErasureStep | Step) -> str:
    return keyed_hashes(_PURPOSE, f"{request.pk}:{step.kind}:{step.key}")[0]
