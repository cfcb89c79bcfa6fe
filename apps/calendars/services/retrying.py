"""What staff do about what has failed."""

from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.calendars.models import WorkflowExecution
from apps.core.problems import Problem
from apps.firms.models import User

Status = WorkflowExecution.Status


def try_again(
    *, execution: WorkflowExecution, actor: User | None, reason: str, now: datetime
) -> WorkflowExecution:
    """Let the next run try again what has failed, as often as something new.

    Whether it is too late is decided then. Raises ``Problem`` for anything that has not failed.
    """
    with transaction.atomic():
        failed = WorkflowExecution.objects.filter(pk=execution.pk, status=Status.FAILED)
        again = {"status": Status.PENDING, "attempts": 0, "error": "", "finished_at": None}
        if not failed.update(**again, next_attempt_at=now, updated_at=now):
            raise Problem(f"{execution} has not failed.")
        record("workflow_tried_again", execution, actor=actor, reason=reason)
    execution.refresh_from_db()
    return execution
