"""remind_of_erasure_deadlines: owners are told in time, on the day and after it, once each."""

import io
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import time_machine
from django.core.management import call_command

from apps.firms.models import Firm
from apps.notifications.models import Notification
from apps.privacy.messages import TYPES
from apps.privacy.models import ErasureRequest
from tests.factories import MembershipFactory, UserFactory
from tests.privacy.erasing import a_firm, account_of_bob, bob_of, request_of
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db

NOON = "{}T17:00:00Z"  # in New York, too


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON.format("2025-02-10"), tick=False) as clock:
        yield clock


@pytest.fixture
def firm() -> Firm:
    firm = a_firm()
    MembershipFactory(firm=firm)  # who works there and owns nothing
    return firm


def remind(**options: Any) -> str:
    out = io.StringIO()
    call_command("remind_of_erasure_deadlines", stdout=out, **options)
    return out.getvalue()


def told() -> list[tuple[str, str]]:
    return list(
        Notification.objects.order_by("pk").values_list(
            "context__milestone", "recipient_user__username"
        )
    )


def test_owners_are_told_seven_days_before_on_the_day_and_after_it(
    firm: Firm, clock: Any
) -> None:
    request_of(bob_of(firm), due_on=date(2025, 2, 20), status="received")
    days = {}
    for day in range(10, 28):
        clock.move_to(NOON.format(f"2025-02-{day}"))
        for _ in range(2):
            before = Notification.objects.count()
            remind()
            if Notification.objects.count() > before:
                days[day] = told()[-1]
    assert days == {
        13: ("soon", "alder-owner"),
        20: ("today", "alder-owner"),
        21: ("overdue", "alder-owner"),
    }


def test_a_missed_day_is_made_up_for_by_the_next(firm: Firm, clock: Any) -> None:
    request = request_of(bob_of(firm), due_on=date(2025, 2, 20), status="verified")
    clock.move_to(NOON.format("2025-02-16"))
    assert f"  ✓ {request}: due in 4 days, reminder sent\n" in remind()
    clock.move_to(NOON.format("2025-02-24"))
    assert f"  ✓ {request}: overdue for 4 days, reminder sent\n" in remind()
    assert [milestone for milestone, _ in told()] == ["soon", "overdue"]


def test_it_is_the_firms_own_day(clock: Any) -> None:
    tokyo = a_firm("Tokyo", timezone="Asia/Tokyo")
    honolulu = a_firm("Honolulu", timezone="Pacific/Honolulu")
    for firm in (tokyo, honolulu):
        request_of(bob_of(firm), due_on=date(2025, 2, 20))
    clock.move_to("2025-02-19T23:00:00Z")
    remind()
    assert sorted(told()) == [("soon", "honolulu-owner"), ("today", "tokyo-owner")]


def test_a_longer_time_begins_anew(firm: Firm) -> None:
    request = request_of(bob_of(firm), due_on=date(2025, 2, 12))
    remind()
    ErasureRequest.objects.update(due_on=date(2025, 2, 16), extended=True)
    assert "Reminders sent: 1" in remind()
    assert "Reminders sent: 0" in remind()
    assert request.pk


@pytest.mark.parametrize(
    "status", ["completed", "partially_completed", "rejected", "cancelled"]
)
def test_what_is_answered_is_left_alone(firm: Firm, status: str) -> None:
    request_of(bob_of(firm), due_on=date(2025, 2, 10), status=status)
    assert "Reminders sent: 0" in remind()


def test_of_requests_to_the_platform_those_who_run_it_are_told(firm: Firm) -> None:
    UserFactory(username="operator", is_superuser=True)
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    request_of(user=user, due_on=date(2025, 2, 11))
    remind()
    assert told() == [("soon", "operator")]
    assert Notification.objects.get().firm == firm


def test_only_one_firms(firm: Firm) -> None:
    other = a_firm("Birch")
    for one in (firm, other):
        request_of(bob_of(one), due_on=date(2025, 2, 11))
    remind(firm_id=other.pk)
    assert told() == [("soon", "birch-owner")]


def test_a_dry_run_leaves_no_trace(firm: Firm) -> None:
    request = request_of(bob_of(firm), due_on=date(2025, 2, 10))
    before = every_row()
    assert remind(dry_run=True).startswith(f"  ✓ Would remind of {request}: due today\n")
    assert changed(before, every_row()) == []


def test_the_message_names_the_request_and_never_the_person(firm: Firm) -> None:
    request = request_of(bob_of(firm), due_on=date(2025, 2, 10))
    remind()
    (message,) = TYPES
    words = message.write([Notification.objects.get()])
    assert words.subject == f"Erasure request {request.pk} has to be answered today"
    assert f"/admin/privacy/erasurerequest/{request.pk}/change/" in words.text
    assert "Marley" not in words.text
    assert message.still_wanted is not None
    assert message.still_wanted([Notification.objects.get()]) == {}
    ErasureRequest.objects.update(closed_at="2025-02-10T12:00:00Z")
    assert list(message.still_wanted([Notification.objects.get()]).values()) == [
        "closed meanwhile"
    ]
