"""send_file_request_reminders … (spec D10)."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.documents.models import FileRequest, UploadLink
from apps.documents.services import (
    cancel_request,
    receive_file,
    remind_now,
    send_file_request_reminders,
)
from apps.firms.models import Firm, Role, User
from apps.notifications.models import Notification
from apps.notifications.services import deliver_notifications
from tests.documents.filing import sent
from tests.documents.requesting import after, ask, figures, line, noon, on, run
from tests.factories import (
    ContactFactory,
    FileRequestFactory,
    FirmFactory,
    MembershipFactory,
)
from tests.servers.smtp import Mail, MailServer

pytestmark = pytest.mark.django_db

REMINDER = "file_request_reminder"


@pytest.fixture
def firm(db: None) -> Firm:
    made: Firm = FirmFactory(name="Acme Consulting")
    return made


@pytest.fixture
def ada(firm: Firm) -> Contact:
    made: Contact = ContactFactory(
        firm=firm, display_name="Ada Lovelace", email="ada@example.com"
    )
    return made


@pytest.fixture
def clerk(firm: Firm) -> User:
    made: User = MembershipFactory(firm=firm, user__username="clerk").user
    return made


def told(kind: str = REMINDER) -> list[tuple[Any, str]]:
    rows = Notification.objects.filter(type=kind).order_by("pk")
    return [(row.recipient_contact or row.recipient_user, row.dedupe_key) for row in rows]


def text_of(mail: Mail) -> str:
    body = mail.message.get_body(("plain",))
    assert body
    return str(body.get_content()).replace("\r\n", "\n")


# ---- what it does ---------------------------------------------------------------------------


def test_writes_one_message_about_everything_that_is_due(firm: Firm, ada: Contact) -> None:
    for title in ("Tax return", "Insurance", "Lease"):
        ask(ada, title=title)
    stranger = ContactFactory(email="stranger@example.com")
    FileRequestFactory(contact=stranger, next_reminder_on=after(9))

    output = run(after(3))

    assert line(firm, "1 reminder sent (3 requests), 0 escalated") in output
    assert output.endswith(
        "\nSummary:\n  Reminders sent: 1\n  Requests covered: 3\n  Skipped: 0\n  Errors: 0\n"
    )
    assert told() == [(ada, f"file-requests:{ada.pk}:2025-06-04")]
    counted = FileRequest.objects.filter(contact=ada).values_list(
        "reminder_count", "last_reminder_on", "next_reminder_on"
    )
    assert list(counted) == [(1, date(2025, 6, 4), date(2025, 6, 8))] * 3


def test_says_what_is_asked_by_when_and_where_to_send_it(
    firm: Firm, ada: Contact, smtp_server: MailServer
) -> None:
    ask(ada, "Statements of May", "Receipts", title="Tax return", due_date=date(2025, 6, 5))
    ask(ada, "Policy", title="Insurance {2025}", on_day=date(2025, 5, 30))
    run(date(2025, 6, 2))
    Notification.objects.exclude(type=REMINDER).delete()

    with on(date(2025, 6, 2)):
        deliver_notifications()

    [mail] = smtp_server.messages
    assert mail.message["Subject"] == "Reminder: Tax return and 1 more"
    [link] = UploadLink.objects.filter(message__startswith="file-requests:")
    text = text_of(mail)
    before, _, rest = text.partition("http")
    url, _, end = rest.partition("\n")
    assert before == (
        "Hello Ada Lovelace,\n\nAcme Consulting is still waiting for:\n\n"
        "Tax return, by 5 June 2025:\n  • Statements of May\n  • Receipts\n\n"
        "Insurance {2025}:\n  • Policy\n\n"
        "Send the files here, also from a phone:\n"
    )
    assert "/upload/" in url
    assert link.token_hash not in text
    assert link.token_nonce not in text
    assert end.startswith(
        "\nThe link works until 9 June 2025, 12:00 (America/New_York). It is meant for you"
    )


def test_leaves_out_what_came_a_moment_before_it_is_sent(
    firm: Firm, ada: Contact, smtp_server: MailServer, folder: Any
) -> None:
    some = ask(ada, "Statements", "Receipts")
    bob = ContactFactory(firm=firm, email="bob@example.com")
    other = ask(bob, "Policy")
    run(after(3))
    Notification.objects.exclude(type=REMINDER).delete()
    with on(after(3)) as clock:
        for item in (some.items.get(title="Receipts"), other.items.get()):
            receive_file(item=item, upload=sent(), now=clock.now)
        Notification.objects.exclude(type=REMINDER).delete()
        deliver_notifications()

    [mail] = smtp_server.messages
    assert mail.recipients == ["ada@example.com"]
    assert "Statements" in text_of(mail)
    assert "Receipts" not in text_of(mail)
    [cancelled] = Notification.objects.filter(type=REMINDER, recipient_contact=bob)
    assert cancelled.deliveries.get().reason == "nothing is outstanding"


# ---- again, and late ------------------------------------------------------------------------


def test_writes_once_on_a_day(firm: Firm, ada: Contact) -> None:
    ask(ada)
    assert figures(run(after(3))) == [1, 1, 0, 0]
    rows = list(FileRequest.objects.values())
    assert figures(run(after(3))) == [0, 0, 0, 0]
    assert list(FileRequest.objects.values()) == rows
    assert len(told()) == 1


def test_catches_up_once_what_was_missed(firm: Firm, ada: Contact) -> None:
    monday = date(2025, 6, 9)
    ask(ada, due_date=date(2025, 6, 10))  # so Saturday 7 and Monday 9 are its days
    assert figures(run(monday)) == [1, 1, 0, 0]
    assert FileRequest.objects.get().next_reminder_on == date(2025, 6, 10)
    assert len(told()) == 1


def test_gives_up_after_five_and_tells_whoever_asked_once(
    firm: Firm, ada: Contact, clerk: User
) -> None:
    request = ask(ada, due_date=date(2025, 6, 10), requested_by=clerk)
    counts = [figures(run(after(days)))[0] for days in range(24)]
    assert [days for days, count in enumerate(counts) if count] == [6, 8, 9, 12, 15]
    assert told("file_request_unanswered") == [(clerk, f"file-request-unanswered:{request.pk}")]
    request.refresh_from_db()
    assert (request.reminder_count, request.next_reminder_on, request.status) == (
        5, None, "pending"
    )  # fmt: skip


def test_says_that_it_gave_up(firm: Firm, ada: Contact, clerk: User) -> None:
    ask(ada, requested_by=clerk)
    for days in (3, 7, 14):
        run(after(days))
    assert line(firm, "0 reminders sent (0 requests), 1 escalated") in run(after(17))
    note = Notification.objects.get(type="file_request_unanswered")
    assert note.context == {"reminders": 3}


# ---- whom it leaves alone -------------------------------------------------------------------


def test_tells_whoever_asked_that_somebody_has_no_address(firm: Firm, clerk: User) -> None:
    ada = ContactFactory(firm=firm, email="")
    request = ask(ada, requested_by=clerk)
    assert figures(run(after(3))) == [0, 0, 1, 0]
    assert figures(run(after(3))) == [0, 0, 0, 0]
    assert figures(run(after(7))) == [0, 0, 1, 0]
    assert told("file_request_unreachable") == [
        (clerk, f"file-request-unreachable:{request.pk}")
    ]
    request.refresh_from_db()
    assert (request.reminder_count, request.next_reminder_on) == (0, date(2025, 6, 15))


@pytest.mark.parametrize("asker", ["nobody", "somebody who left"])
def test_tells_those_in_charge_where_whoever_asked_is_gone(firm: Firm, asker: str) -> None:
    owner = MembershipFactory(firm=firm, roles=[Role.OWNER]).user
    left = MembershipFactory(firm=firm, is_active=False).user
    ada = ContactFactory(firm=firm, email="")
    ask(ada, requested_by=None if asker == "nobody" else left)
    run(after(3))
    assert [person for person, _ in told("file_request_unreachable")] == [owner]


def test_leaves_the_erased_and_the_settled_alone(firm: Firm, ada: Contact) -> None:
    cancelled = ask(ada)
    cancel_request(request=cancelled, actor=None, reason="not needed", now=noon(after(1)))
    bob = ContactFactory(firm=firm)
    ask(bob)
    Contact.objects.filter(pk=bob.pk).update(erased_at=noon(after(1)))
    assert figures(run(after(3))) == [0, 0, 0, 0]
    assert told() == []


def test_serves_no_suspended_firm(firm: Firm, ada: Contact) -> None:
    ask(ada)
    Firm.objects.filter(pk=firm.pk).update(status="suspended")
    assert figures(run(after(3))) == [0, 0, 0, 0]
    assert f"Firm {firm.pk} is suspended; skipped.\n" in run(after(3), firm_id=firm.pk)


def test_settles_what_came_while_whoever_received_it_died(
    firm: Firm, ada: Contact, folder: Any
) -> None:
    request = ask(ada)
    receive_file(item=request.items.get(), upload=sent(), now=noon(after(1)))
    FileRequest.objects.update(status="pending", fulfilled_at=None, next_reminder_on=after(3))
    assert figures(run(after(3))) == [0, 0, 1, 0]
    request.refresh_from_db()
    assert request.status == "fulfilled"


# ---- whose day it is ------------------------------------------------------------------------


def test_goes_by_each_firms_own_calendar_and_hour() -> None:
    tokyo = FirmFactory(timezone="Asia/Tokyo")
    honolulu = FirmFactory(timezone="Pacific/Honolulu")
    for firm in (tokyo, honolulu):
        FileRequestFactory(contact=ContactFactory(firm=firm), next_reminder_on="2025-06-04")
    instant = datetime(2025, 6, 4, 0, 30, tzinfo=UTC)  # 09:30 in Tokyo, the 3rd in Honolulu
    with time_machine.travel(instant, tick=False):
        report = send_file_request_reminders(at="09:00")
    assert report.done == 1
    assert Notification.objects.get(type=REMINDER).firm == tokyo


def test_waits_for_the_hour(firm: Firm, ada: Contact) -> None:
    ask(ada)
    with time_machine.travel(datetime(2025, 6, 4, 12, 59, tzinfo=UTC), tick=False):
        assert send_file_request_reminders(at="09:00").done == 0


# ---- the five questions ---------------------------------------------------------------------


def test_a_dry_run_leaves_no_trace(firm: Firm, ada: Contact) -> None:
    ask(ada)
    before = [list(model.objects.values()) for model in (FileRequest, UploadLink, Notification)]
    output = run(after(3), dry_run=True)
    words = "1 reminder would be sent (1 request), 0 would be escalated"
    assert line(firm, words) in output
    assert "Would remind Ada Lovelace of 1 request\n" in output
    assert before == [
        list(model.objects.values()) for model in (FileRequest, UploadLink, Notification)
    ]


def test_leaves_the_neighbour_alone(firm: Firm, ada: Contact) -> None:
    ask(ada)
    theirs = ask(ContactFactory(firm=FirmFactory()))
    assert figures(run(after(3), firm_id=firm.pk)) == [1, 1, 0, 0]
    theirs.refresh_from_db()
    assert theirs.reminder_count == 0


def test_a_firm_whose_days_cannot_be_read_spares_the_others(firm: Firm, ada: Contact) -> None:
    ask(ada)
    broken = FirmFactory()
    ask(ContactFactory(firm=broken))
    broken.settings.file_request_days_before = "often"
    broken.settings.save()
    with on(after(3)):
        report = send_file_request_reminders()
    assert (report.done, report.failed) == (1, 1)


def test_asks_the_database_no_more_for_many(firm: Firm) -> None:
    def count(people: int) -> int:
        for _ in range(people):
            FileRequestFactory(
                contact=ContactFactory(firm=firm), next_reminder_on=after(3), asked_on=after(0)
            )
        with on(after(3)), CaptureQueriesContext(connection) as queries:
            send_file_request_reminders()
        return len(queries)

    few = count(2)
    assert count(40) <= few + 2


# ---- letting go, and by hand ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "day", "status"),
    [
        (True, date(2025, 7, 10), "pending"),
        (True, date(2025, 7, 11), "expired"),
        (False, date(2025, 12, 1), "pending"),
    ],
)
def test_gives_requests_up_after_30_days_where_the_firm_wants_it(
    firm: Firm, ada: Contact, wants: bool, day: date, status: str
) -> None:
    firm.settings.file_requests_expire = wants
    firm.settings.save()
    request = ask(ada, due_date=date(2025, 6, 10), remind_every_days=0)
    output = run(day)
    request.refresh_from_db()
    assert request.status == status
    assert (", 1 expired\n" in output) == (status == "expired")
    assert AuditEvent.objects.filter(action="file_request_expired").exists() == (
        status == "expired"
    )


def test_reminds_by_hand_within_the_same_limits(firm: Firm, ada: Contact, clerk: User) -> None:
    request = ask(ada)
    with on(after(1)) as clock:
        remind_now(request=request, actor=clerk, clock=clock)
        with pytest.raises(Problem, match=r"^Ada Lovelace was reminded today already\.$"):
            remind_now(request=request, actor=clerk, clock=clock)
    assert (request.reminder_count, request.next_reminder_on) == (1, date(2025, 6, 4))
    assert AuditEvent.objects.get(action="file_request_reminded").actor == clerk
    FileRequest.objects.update(reminder_count=5)
    with on(after(2)) as clock, pytest.raises(Problem, match="has had 5 reminders"):
        remind_now(request=request, actor=clerk, clock=clock)


def test_refuses_an_hour_that_is_none(firm: Firm) -> None:
    with pytest.raises(CommandError, match=r"^Invalid time '25:00'"):
        run(after(3), at="25:00")
