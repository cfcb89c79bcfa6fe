"""What happens to events, and what happens by itself because of them."""

from apps.calendars.services.events import cancel_event, save_event
from apps.calendars.services.executing import execute_pending_workflows
from apps.calendars.services.retrying import try_again
from apps.calendars.services.rules import save_rule
from apps.calendars.services.telling import tell_attendees, tell_organiser

__all__ = [
    "cancel_event",
    "execute_pending_workflows",
    "save_event",
    "save_rule",
    "tell_attendees",
    "tell_organiser",
    "try_again",
]
