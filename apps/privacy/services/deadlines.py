"""Remind those who have to answer: 7 days before a request is due, on the day, and after it."""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from apps.core import batches
from apps.core.days import Clock
from apps.core.reports import Report, Skip, block
from apps.firms.models import Firm, Role, User
from apps.firms.rights import in_charge
from apps.firms.services import find_firm
from apps.notifications.services import Draft, notify
from apps.privacy.messages import ERASURE_DUE
from apps.privacy.models import ErasureRequest
from apps.privacy.services.erasing.reasons import Reason

DAYS_BEFORE = 7

Status = ErasureRequest.Status
_OPEN = (
    *(Status.RECEIVED, Status.VERIFIED, Status.APPROVED),
    *(Status.BLOCKED, Status.IN_PROGRESS),
)


class Milestone(StrEnum):
    """How near the end is. Each is told once; a missed day is made up for by the next."""

    SOON = "soon"
    TODAY = "today"
    OVERDUE = "overdue"

    @classmethod
    def of(cls, days_left: int) -> "Milestone | None":
        """Return the milestone that a request has reached, if it has reached any."""
        if days_left < 0:
            return cls.OVERDUE
        if days_left == 0:
            return cls.TODAY
        return cls.SOON if days_left <= DAYS_BEFORE else None


def remind_of_erasure_deadlines(*, firm_id: int | None = None, dry_run: bool = False) -> Report:
    """Remind owners of requests to be erased that are due soon, today, or were due.

    Open requests that are due in 7 days or less by the firm's own date; the law's time runs
    in suspended firms, too. The firm's owners are told by e-mail and in-app; of requests to
    the platform those who run it. Each milestone is told once for each due date (the
    notification's key), so that running it again tells nobody anything.
    """
    clock = Clock.read()
    requests = ErasureRequest.objects.filter(status__in=_OPEN).select_related("firm", "user")
    if firm_id is not None:
        requests = requests.filter(firm=find_firm(firm_id))

    def summary(report: Report) -> list[str]:
        verb = report.worded("Reminders sent", would="Reminders that would be sent")
        return block((verb, report.done), ("Errors", report.failed))

    report = Report(dry_run=dry_run, summary=summary)
    for request in batches.by_key(requests):
        days_left = (request.due_on - _today(request, clock)).days
        milestone = Milestone.of(days_left)
        if milestone is None:
            continue
        with report.attempt(request, part=milestone) as item:
            if not notify(_drafts(request, milestone)):
                raise Skip(Reason.TOLD_BEFORE)
            item.does(f"remind: {milestone}")
            item.says(
                f"{request}: {_left(days_left)}, reminder sent",
                would=f"Would remind of {request}: {_left(days_left)}",
            )
    return report


# ---- inside -------------------------------------------------------------------------------


def _today(request: ErasureRequest, clock: Clock) -> date:
    return request.firm.today(clock) if request.firm else clock.today("UTC")


def _drafts(request: ErasureRequest, milestone: Milestone) -> list[Draft]:
    firm_id = request.firm_id or _postbox(request)
    if firm_id is None:
        raise Skip(Reason.NO_FIRM)
    return [
        Draft(
            type=ERASURE_DUE,
            firm_id=firm_id,
            recipient=person,
            dedupe_key=f"erasure-due:{request.pk}:{request.due_on}:{milestone}",
            about=request,
            context={"due_on": str(request.due_on), "milestone": milestone},
        )
        for person in _responsible(request)
    ]


def _responsible(request: ErasureRequest) -> Iterable[User]:
    if request.firm_id is not None:
        return in_charge([request.firm_id], roles=[Role.OWNER]).get(request.firm_id, [])
    return User.objects.filter(is_superuser=True, is_active=True).order_by("pk")


def _postbox(request: ErasureRequest) -> int | None:
    """Return a firm to keep the platform's own message with: every notification has one.

    Its staff does not see what the platform writes to its own people.
    """
    theirs = Firm.objects.filter(memberships__user=request.user)
    firms = theirs if theirs.exists() else Firm.objects.all()
    return firms.order_by("pk").values_list("pk", flat=True).first()


def _left(days: int) -> str:
    if days < 0:
        return f"overdue for {-days} day{'s' * (days != -1)}"
    return "due today" if not days else f"due in {days} day{'s' * (days != 1)}"
