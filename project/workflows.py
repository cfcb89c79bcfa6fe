"""What calendars' rules can do, gathered as ``urls.py`` gathers routes."""

from collections.abc import Mapping
from datetime import time

from apps.calendars.actions import Action, Work, WorkflowReason
from apps.calendars.services import tell_attendees, tell_organiser
from apps.core.days import DAY, local_instant, zone
from apps.core.reports import Skip
from apps.crm.models import Deal, DealActivity
from apps.crm.services import plan_activity

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


ACTIONS: Mapping[str, Action] = {
    "tell_organiser": Action("tell the organiser", tell_organiser),
    "tell_attendees": Action("tell the attendees", tell_attendees),
    "plan_call": Action("plan a call about their deal", plan_call, needs_text=True),
}
