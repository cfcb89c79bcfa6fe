"""What a rule can do, in the hands of whoever knows how.

The module that ``settings.WORKFLOWS`` names (``project/workflows.py``) gathers the actions as
``urls.py`` gathers routes, because some need apps that stand beside this one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.db.models import TextChoices

from apps.calendars.models import CalendarEvent, WorkflowExecution, WorkflowRule


class WorkflowReason(TextChoices):
    """Why nothing is done."""

    TAKEN = "taken", "another run has it"
    TOO_LATE = "too_late", "too late"
    CANCELLED = "cancelled", "event cancelled"
    SWITCHED_OFF = "switched_off", "the rule is switched off"
    MOVED = "moved", "the event was moved"
    STEP_FAILED = "step_failed", "an earlier step failed"
    WAITS = "waits", "waits for an earlier step"
    NOBODY = "nobody", "nobody to tell"
    NO_DEAL = "no_deal", "no open deal with anybody there"

    @property
    def routine(self) -> bool:
        """Says only what the database says; the record keeps a sample."""
        return self in {WorkflowReason.TAKEN, WorkflowReason.WAITS}


@dataclass(frozen=True, slots=True)
class Work:
    """One execution in hand."""

    execution: WorkflowExecution
    now: datetime

    @property
    def event(self) -> CalendarEvent:
        return self.execution.event

    @property
    def rule(self) -> WorkflowRule:
        return self.execution.rule

    @property
    def key(self) -> str:
        """What the effect is known by, so that it happens once."""
        return f"workflow:{self.execution.pk}"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can happen by itself.

    ``act`` runs in the transaction that also writes that it was done, so a crash leaves both
    or neither; it changes nothing outside the database. It raises ``Skip`` when there is
    nothing to do, ``Problem`` when it never will work as the rule is, and any other error
    when it may work later.
    """

    label: str
    act: Callable[[Work], object]
    needs_text: bool = False


def actions() -> Mapping[str, Action]:
    """Return every action of the project, by the name that rules know it by."""
    found: Mapping[str, Action] = import_module(settings.WORKFLOWS).ACTIONS
    return found
