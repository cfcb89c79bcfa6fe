"""By itself, the calendar can …"""

import pytest

from apps.crm.models import Deal, DealActivity
from apps.firms.models import Firm
from apps.notifications.models import Notification
from tests.calendars.planning import TEN, event_of, printed, rule_of, states, utc
from tests.factories import (
    ContactFactory,
    DealFactory,
    EventAttendeeFactory,
    MembershipFactory,
    StageFactory,
)

pytestmark = pytest.mark.django_db

NINE = utc("2025-06-10 13:00")


def test_tell_everybody_who_comes_and_is_still_there(firm: Firm) -> None:
    rule_of(firm, action="tell_attendees", text="Bring the figures.")
    event = event_of(firm)
    contact = EventAttendeeFactory(event=event).contact
    colleague = MembershipFactory(firm=firm).user
    gone = MembershipFactory(firm=firm, is_active=False).user
    elsewhere = MembershipFactory().user
    for user in (colleague, gone, elsewhere):
        EventAttendeeFactory(event=event, contact=None, user=user)
    erased = ContactFactory(firm=firm, erased_at=NINE)
    EventAttendeeFactory(event=event, contact=erased)
    printed(NINE)
    told = Notification.objects.values_list("recipient_key", flat=True)
    assert set(told) == {f"contact:{contact.pk}", f"user:{colleague.pk}"}
    assert {one.firm for one in Notification.objects.all()} == {firm}


@pytest.mark.parametrize("action", ["tell_organiser", "tell_attendees"])
def test_tell_nobody_when_there_is_nobody(firm: Firm, action: str) -> None:
    rule_of(firm, action=action)
    event_of(firm, organiser=MembershipFactory().user)  # who works elsewhere
    assert printed(NINE)[1].endswith(": nobody to tell")
    assert states() == ["skipped"]


def test_plan_a_call_about_the_newest_deal_with_somebody_there(firm: Firm) -> None:
    rule_of(firm, action="plan_call", text="Ask how it went.")
    event = event_of(firm)
    contact = EventAttendeeFactory(event=event).contact
    stage = StageFactory(pipeline__firm=firm)
    DealFactory(stage=stage, contact=contact)
    newest = DealFactory(stage=stage, contact=contact)
    DealFactory(stage=stage, contact=contact, status="won", closed_at=TEN)
    DealFactory(stage=stage)
    printed(NINE)
    call = DealActivity.objects.get()
    assert (call.deal, call.type, call.note) == (newest, "call", "Ask how it went.")
    assert call.scheduled_for == utc("2025-06-11 14:00")  # ten in the morning in New York
    assert call.is_automated
    newest.refresh_from_db()
    assert newest.last_activity_at is None  # a machine's plan is no attention


def test_plan_no_call_without_a_deal(firm: Firm) -> None:
    rule_of(firm, action="plan_call", text="Ask how it went.")
    EventAttendeeFactory(event=event_of(firm))
    DealFactory()
    assert printed(NINE)[1].endswith(": no open deal with anybody there")
    assert Deal.objects.count() == 1
    assert not DealActivity.objects.exists()
