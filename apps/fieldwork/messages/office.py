"""What the office is told: what waits for somebody to look at it.

Each of these is a digest: what waits for the same person comes in one message.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.urls import reverse

from apps.core import money
from apps.fieldwork.messages.letters import Button, Points, letter
from apps.fieldwork.models import ComplianceDocument, Estimate, PayoutRequest, WorkOrder
from apps.notifications.models import Notification
from apps.notifications.types import Category, NotificationType, Words


def page_of(row: Model) -> str:
    """Return the address of a row's own page in the admin."""
    name = row._meta.label_lower.replace(".", "_")
    return settings.SITE_URL + reverse(f"admin:{name}_change", args=[row.pk])


def list_of(model: type[Model], **filters: str) -> str:
    """Return the address of a list in the admin, filtered as its own links are."""
    name = model._meta.label_lower.replace(".", "_")
    path = reverse(f"admin:{name}_changelist", query=filters)
    return f"{settings.SITE_URL}{path}"


@dataclass(frozen=True)
class Question:
    """What somebody is asked about rows that wait in a state: about one, or about many."""

    model: type[Model]
    waiting: str
    one: str
    many: str
    say: Callable[[Any], str]
    reads: tuple[str, ...]  # relations

    def as_type(self, name: str) -> NotificationType:
        """Return the type of notification that asks this."""
        return NotificationType(
            name,
            Category.OPERATIONAL,
            self.write,
            may_opt_out=True,
            digestable=True,
            still_wanted=self.still_wanted,
        )

    def write(self, notifications: Sequence[Notification]) -> Words:
        rows = list(self._rows(notifications).select_related(*self.reads).order_by("pk"))
        if len(rows) == 1:
            [row] = rows
            button = Button("Decide about it", page_of(row))
            return letter(f"{self.one}: {self.say(row)}", button)
        points = Points([self.say(row) for row in rows])
        button = Button("Look at them", list_of(self.model, status__exact=self.waiting))
        return letter(f"{len(rows)} {self.many}", points, button)

    def still_wanted(self, notifications: Sequence[Notification]) -> Mapping[int, str]:
        rows = self._rows(notifications).filter(status=self.waiting)
        waiting = {str(pk) for pk in rows.values_list("pk", flat=True)}
        return {
            one.pk: "decided meanwhile"
            for one in notifications
            if one.subject_id not in waiting
        }

    def _rows(self, notifications: Sequence[Notification]) -> Any:
        keys = [one.subject_id for one in notifications]
        return self.model._default_manager.filter(pk__in=keys)


JOB_COMPLETED = Question(
    WorkOrder,
    WorkOrder.Status.COMPLETED,
    one="Done, please check",
    many="jobs are done: please check them",
    say=lambda order: f"{order} ({order.contractor})",
    reads=("contractor__contact",),
).as_type("job_completed")
ESTIMATE_SUBMITTED = Question(
    Estimate,
    Estimate.Status.SUBMITTED,
    one="New estimate",
    many="new estimates wait for an answer",
    say=lambda estimate: f"{estimate} for {estimate.work_order}",
    reads=("work_order", "contractor__contact"),
).as_type("estimate_submitted")
PAPER_FILED = Question(
    ComplianceDocument,
    ComplianceDocument.Status.PENDING_REVIEW,
    one="Please review",
    many="documents wait for review",
    say=str,
    reads=("contractor__contact",),
).as_type("paper_filed")
PAYOUT_REQUESTED = Question(
    PayoutRequest,
    PayoutRequest.Status.PENDING,
    one="Payout request",
    many="payout requests wait for approval",
    say=lambda asked: f"{asked} of {asked.contractor}, {money.write_grouped(asked.amount)}",
    reads=("contractor__contact",),
).as_type("payout_requested")

TYPES: tuple[NotificationType, ...] = (
    JOB_COMPLETED,
    ESTIMATE_SUBMITTED,
    PAPER_FILED,
    PAYOUT_REQUESTED,
)
