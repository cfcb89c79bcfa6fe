"""What calendars' rules can do, gathered as ``urls.py`` gathers routes."""

from collections.abc import Mapping
from datetime import time

from apps.calendars.actions import Action, Work, WorkflowReason
from apps.calendars.services import tell_attendees, tell_organiser
from apps.contacts.models import Contact
from apps.core.days import DAY, Clock, local_instant, zone
from apps.core.reports import Skip
from apps.crm.models import Deal, DealActivity
from apps.crm.services import plan_activity
from apps.documents.services import request_files

_IN_THE_MORNING = time(10)


def plan_call(work: Work) -> None:
    """Plan a call, for the next morning, about the newest open deal with somebody there.

    By a machine, so it is no attention to the deal: that is the call itself (spec D13).
    """
    event = work.event
    deals = Deal.objects.for_firm(event.firm).open()
    deal = deals.filter(contact__in=event.attendees.values("contact")).order_by("-pk").first()
    if deal is None:
        raise Skip(WorkflowReason.NO_DEAL)
    here = event.firm.timezone
    day = work.now.astimezone(zone(here)).date() + DAY
    plan_activity(
        deal=deal,
        type=DealActivity.Type.CALL,
        note=work.rule.text,
        scheduled_for=local_instant(day, _IN_THE_MORNING, here),
        is_automated=True,
        actor=None,
        now=work.now,
    )


def ask_for_files(work: Work) -> None:
    """Ask every contact who is invited for files, one for each line of the rule's text."""
    event = work.event
    contacts = Contact.objects.present().filter(pk__in=event.attendees.values("contact"))
    people = list(contacts.select_related("firm__settings").order_by("pk"))
    if not people:
        raise Skip(WorkflowReason.NOBODY)
    for contact in people:
        request_files(
            contact=contact,
            title=work.rule.name,
            items=work.rule.text.splitlines(),
            note="",
            due_date=None,
            remind_every_days=None,
            requested_by=event.organiser,
            clock=Clock(now=work.now),
        )


ACTIONS: Mapping[str, Action] = {
    "tell_organiser": Action("tell the organiser", tell_organiser),
    "tell_attendees": Action("tell the attendees", tell_attendees),
    "ask_for_files": Action("ask the attendees for files", ask_for_files, needs_text=True),
    "plan_call": Action("plan a call about their deal", plan_call, needs_text=True),
}
