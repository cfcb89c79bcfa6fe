"""Why a calendar's rule is carried out, and why not."""

from django.utils.translation import gettext_lazy as _

from apps.calendars.models import WorkflowExecution, WorkflowExecutionQuerySet
from apps.calendars.services.executing import of_served, why_not
from apps.core.explaining import Explanation, Moment


def _due(execution: WorkflowExecution, moment: Moment) -> WorkflowExecutionQuerySet:
    return of_served().due(now=moment.clock.now)


def _not_any_more(execution: WorkflowExecution, moment: Moment) -> str:
    reason = why_not(execution, moment.clock.now)
    return str(reason.label) if reason else ""


WORKFLOWS = Explanation(
    model=WorkflowExecution,
    selection=_due,
    sentences={
        "firm__is_active": _("the firm is suspended or closed"),
        "*|status|*=succeeded": _("it has been done"),
        "*|status|*=skipped": _("it was left alone for good"),
        "*|status|*=cancelled": _("it was cancelled"),
        "*|status|*=failed": _("it was tried as often as it is, and failed"),
        "*|status|*": _("it is {status} and waits until {next_attempt_at}"),
    },
    after=_not_any_more,
    takes=_("The next run carries it out."),
    loads=("firm", "rule", "event"),
)
