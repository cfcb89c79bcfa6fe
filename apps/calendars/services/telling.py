"""Two actions: tell those who come, or whoever has invited them."""

from collections.abc import Iterable
from typing import Any

from apps.calendars.actions import Work, WorkflowReason
from apps.calendars.messages import WORKFLOW_NOTICE
from apps.contacts.models import Contact
from apps.core.reports import Skip
from apps.firms.models import User
from apps.firms.rights import people_at
from apps.notifications.services import Draft, notify


def tell_attendees(work: Work) -> None:
    """Tell everybody who is invited and still there."""
    invited = work.event.attendees.all()
    contacts = Contact.objects.present().filter(pk__in=invited.values("contact"))
    _tell(work, [*contacts, *_colleagues(work, invited.values("user"))])


def tell_organiser(work: Work) -> None:
    """Tell whoever organises it, as long as they work there."""
    _tell(work, _colleagues(work, [work.event.organiser_id]))


def _colleagues(work: Work, keys: Any) -> Iterable[User]:
    return people_at(work.event.firm_id).filter(pk__in=keys).order_by("pk")


def _tell(work: Work, people: Iterable[Contact | User]) -> None:
    event, rule = work.event, work.rule
    context = {
        "rule": rule.name,
        "trigger": rule.trigger,
        "text": rule.text,
        "starts_at": event.starts_at.isoformat(),
    }
    drafts = [
        Draft(
            type=WORKFLOW_NOTICE,
            firm_id=event.firm_id,
            recipient=person,
            dedupe_key=work.key,
            about=event,
            context=context,
        )
        for person in people
    ]
    if not drafts:
        raise Skip(WorkflowReason.NOBODY)
    notify(drafts)
