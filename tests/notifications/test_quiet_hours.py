"""Nothing arrives at night (spec A10.6)."""

from datetime import UTC, datetime

import pytest
import time_machine

from apps.contacts.models import Contact
from apps.notifications.services import deliver_notifications
from apps.notifications.services.verdicts import quiet_until
from tests.factories import ContactFactory, FirmFactory, UserFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say, states
from tests.servers.smtp import MailServer

NIGHT = datetime(2025, 3, 4, 4, 30, tzinfo=UTC)  # 23:30 in New York, 04:30 in London


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "zone", "until"),
    [
        ("2025-03-04 01:59:59", "America/New_York", None),  # 20:59:59
        ("2025-03-04 02:00:00", "America/New_York", "2025-03-04 13:00"),  # 21:00
        ("2025-03-04 12:59:59", "America/New_York", "2025-03-04 13:00"),  # 07:59:59
        ("2025-03-04 13:00:00", "America/New_York", None),  # 08:00
        ("2025-03-04 22:00:00", "Europe/London", "2025-03-05 08:00"),
        ("2025-03-04 15:30:00", "Asia/Kolkata", "2025-03-05 02:30"),  # 21:00, half-hour zone
        ("2025-12-31 23:30:00", "UTC", "2026-01-01 08:00"),
        # The clocks go forward: 8 March 21:30 EST to 9 March 08:00 EDT.
        ("2025-03-09 02:30:00", "America/New_York", "2025-03-09 12:00"),
        # The clocks go back: 1 November 21:30 EDT to 2 November 08:00 EST.
        ("2025-11-02 01:30:00", "America/New_York", "2025-11-02 13:00"),
    ],
)
def test_last_until_eight_in_the_morning(now: str, zone: str, until: str | None) -> None:
    assert quiet_until(utc(now), zone) == (utc(until) if until else None)


@pytest.fixture
def ada() -> Contact:
    firm = FirmFactory(timezone="America/New_York", settings__email_quiet_hours=True)
    return ContactFactory(firm=firm, email="ada@example.com")


@pytest.mark.django_db
def test_hold_an_email_until_morning_where_the_firm_wants_it(
    ada: Contact, smtp_server: MailServer
) -> None:
    with time_machine.travel(NIGHT, tick=False):
        planned = say(ada)
        report = deliver_notifications()
        assert smtp_server.messages == []
        assert (report.done, report.skipped, report.failed) == (0, 1, 0)
        assert report.summary()[2:] == [
            "  Sent: 0",
            "  Skipped: 0",
            "  Held until morning: 1",
            "  Will be retried: 0",
            "  Errors: 0",
        ]
        found = delivery(planned)
        assert (found.status, found.attempts) == ("queued", 0)
        assert found.next_attempt_at == utc("2025-03-04 13:00")

    with time_machine.travel("2025-03-04 13:00Z", tick=False):
        assert deliver_notifications().done == 1
    assert len(smtp_server.messages) == 1


@pytest.mark.django_db
def test_do_not_hold_an_email_where_the_firm_does_not_care(smtp_server: MailServer) -> None:
    with time_machine.travel(NIGHT, tick=False):
        planned = say(ContactFactory())
        deliver_notifications()

    assert states(planned) == {"email": "sent"}


@pytest.mark.django_db
def test_do_not_hold_an_alarm(ada: Contact, smtp_server: MailServer) -> None:
    with time_machine.travel(NIGHT, tick=False):
        planned = say(ada, messages.ALARM)
        deliver_notifications()

    assert states(planned)["email"] == "sent"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("contact_zone", "user_zone", "held"),
    [
        ("", "", True),  # the firm's: New York, 23:30
        ("Asia/Tokyo", "", False),  # 13:30
        ("", "Asia/Tokyo", False),
        ("America/Chicago", "Asia/Tokyo", True),  # 22:30
    ],
)
def test_follow_the_clock_of_the_contact_then_the_user_then_the_firm(
    ada: Contact, smtp_server: MailServer, contact_zone: str, user_zone: str, held: bool
) -> None:
    ada.user = UserFactory(timezone=user_zone)
    ada.timezone = contact_zone
    ada.save()
    with time_machine.travel(NIGHT, tick=False):
        planned = say(ada)
        deliver_notifications()

    assert states(planned) == {"email": "queued" if held else "sent"}


@pytest.mark.django_db
def test_become_one_digest_in_the_morning(ada: Contact, smtp_server: MailServer) -> None:
    with time_machine.travel(NIGHT, tick=False):
        for number in ("1", "2"):
            say(ada, messages.REMINDER, number, context={"number": number})
            deliver_notifications()
    with time_machine.travel("2025-03-04 13:00Z", tick=False):
        deliver_notifications()

    assert [mail.message["Subject"] for mail in smtp_server.messages] == ["2 to pay"]
