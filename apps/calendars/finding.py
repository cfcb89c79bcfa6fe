"""How what follows from events is found."""

from django.db.models import Value

from apps.calendars.models import WorkflowExecution
from apps.core.finding import Finder, words

FINDERS = (
    Finder(
        model=WorkflowExecution,
        columns=("event__title",),
        label=words("rule__name", Value(": "), "event__title"),
        loads=("firm", "rule", "event"),
    ),
)
