"""The job that gets messages out of the outbox (spec A10)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.jobs.models import JobRun, JobRunItem
from apps.notifications.models import (
    Channel,
    Delivery,
    Notification,
    NotificationPreference,
    Suppression,
)
from apps.notifications.services import deliver_notifications, suppress
from apps.notifications.services.results import status_after
from tests.factories import ContactFactory, FirmFactory, UserFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say, states
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

EMAIL = (Channel.EMAIL,)
NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)  # a Monday, 10:00 in New York


@pytest.fixture
def ada() -> Contact:
    return ContactFactory(display_name="Ada", email="ada@example.com", phone="+15550100")


@pytest.fixture
def bob() -> Contact:
    """The neighbour: another firm's."""
    return ContactFactory(display_name="Bob", email="bob@example.com")


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def sent_to(server: MailServer) -> list[list[str]]:
    return [mail.recipients for mail in server.messages]


# ---- it does it, and only once -----------------------------------------------------------


def test_sends_an_email_and_writes_it_down(ada: Contact, smtp_server: MailServer) -> None:
    planned = say(ada, messages.RECEIPT, context={"subject": "Paid", "text": "Thank you."})

    report = deliver_notifications()

    assert [mail.message["Subject"] for mail in smtp_server.messages] == ["Paid"]
    found = delivery(planned)
    assert (found.status, found.sent_at, found.attempts) == ("sent", NOW, 1)
    assert found.claimed_at is None
    assert found.notification.status == "sent"
    assert (report.done, report.failed) == (1, 0)


def test_sends_nothing_again(ada: Contact, smtp_server: MailServer) -> None:
    say(ada)
    deliver_notifications()

    assert deliver_notifications().done == 0
    assert len(smtp_server.messages) == 1


def test_leaves_no_trace_of_a_dry_run(ada: Contact, smtp_server: MailServer) -> None:
    say(ada, key="1")
    say(ada, messages.REMINDER, key="2", context={"number": "INV-1"})
    say(ada, messages.RECEIPT, key="3", not_before=NOW + timedelta(days=1))
    before = list(Delivery.objects.order_by("pk").values())

    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        report = deliver_notifications(dry_run=True)

    assert list(Delivery.objects.order_by("pk").values()) == before
    assert smtp_server.messages == []
    assert report.done == 4
    assert report.tallies["sent"] == 4


def test_shows_every_part_of_a_digest_once_in_a_dry_run(
    ada: Contact, smtp_server: MailServer
) -> None:
    for number in range(250):  # more than a page
        contact = ada if number % 125 == 0 else ContactFactory(firm=ada.firm)
        say(
            contact, messages.REMINDER, key=f"{number}", context={"number": "1"}, channels=EMAIL
        )

    assert deliver_notifications(dry_run=True).done == 250


def test_spares_the_firms_it_was_not_asked_for(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    say(ada)
    neighbour = say(bob)

    deliver_notifications(firm_id=ada.firm_id)

    assert sent_to(smtp_server) == [["ada@example.com"]]
    assert states(neighbour) == {"email": "queued"}


def test_refuses_an_unknown_firm() -> None:
    with pytest.raises(BadOption, match=r"^Firm with ID 999 does not exist\.$"):
        deliver_notifications(firm_id=999)


def test_delivers_what_a_suspended_firm_had_said(ada: Contact, smtp_server: MailServer) -> None:
    say(ada)
    Firm.objects.update(status=Firm.Status.SUSPENDED)

    assert deliver_notifications().done == 1


def test_spares_the_others_when_one_cannot_be_written(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    bad = say(ada, messages.REMINDER, context={}, channels=EMAIL)  # lacks its number
    good = say(bob)

    report = deliver_notifications()

    assert (report.done, report.failed) == (1, 1)
    assert states(good) == {"email": "sent"}
    assert (delivery(bad).status, delivery(bad).reason) == ("failed", "cannot be written")
    assert delivery(bad).notification.status == "failed"


def test_never_sends_a_subject_with_a_line_break(ada: Contact, smtp_server: MailServer) -> None:
    planned = say(ada, context={"subject": "Hi\r\nBcc: eve@example.com"})

    report = deliver_notifications()

    assert smtp_server.messages == []
    assert (report.failed, states(planned)) == (1, {"email": "failed"})
    assert delivery(planned).reason == "line break in a header"
    assert deliver_notifications().failed == 0


def test_never_sends_for_a_firm_with_a_line_break_in_its_name(
    ada: Contact, smtp_server: MailServer
) -> None:
    Firm.objects.filter(pk=ada.firm_id).update(name="Acme\nBcc: eve@example.com")
    say(ada)

    assert deliver_notifications().failed == 1
    assert smtp_server.messages == []


def test_fails_a_message_of_a_type_that_is_gone(ada: Contact, smtp_server: MailServer) -> None:
    planned = say(ada)
    Notification.objects.update(type="yesterday")

    assert deliver_notifications().failed == 1
    assert delivery(planned).reason == "unknown type"


# ---- one message per recipient --------------------------------------------------------------


def test_never_shares_a_message_between_recipients(
    ada: Contact, smtp_server: MailServer
) -> None:
    contacts = [ada, *ContactFactory.create_batch(14, firm=ada.firm)]
    for contact in contacts:
        say(contact, messages.REMINDER, context={"number": "INV-1"}, channels=EMAIL)

    deliver_notifications()

    assert sorted(sent_to(smtp_server)) == sorted([one.email] for one in contacts)
    assert all(mail.message["To"] == mail.recipients[0] for mail in smtp_server.messages)
    assert all(mail.message["Cc"] is None for mail in smtp_server.messages)
    assert smtp_server.connections == 1


def test_makes_one_message_of_several_for_one_recipient(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    three = [
        say(ada, messages.REMINDER, key=f"{n}", context={"number": f"INV-{n}"}, channels=EMAIL)
        for n in (1, 2, 3)
    ]
    say(bob, messages.REMINDER, context={"number": "INV-9"}, channels=EMAIL)

    report = deliver_notifications()

    to_ada, to_bob = sorted(smtp_server.messages, key=lambda mail: mail.recipients)
    assert to_ada.message["Subject"] == "3 to pay"
    assert "INV-1\nINV-2\nINV-3" in to_ada.message.get_body(["plain"]).get_content()
    assert to_bob.message["Subject"] == "1 to pay"
    lead, *others = [delivery(one) for one in three]
    assert {one.status for one in (lead, *others)} == {"sent"}
    assert lead.carried_by is None
    assert {one.carried_by_id for one in others} == {lead.pk}
    assert report.done == 4


def test_makes_one_message_of_what_lies_pages_apart(
    ada: Contact, smtp_server: MailServer
) -> None:
    say(ada, messages.REMINDER, key="first", context={"number": "1"}, channels=EMAIL)
    for contact in ContactFactory.create_batch(120, firm=ada.firm):
        say(contact)
    say(ada, messages.REMINDER, key="last", context={"number": "2"}, channels=EMAIL)

    report = deliver_notifications()

    mails = [mail for mail in smtp_server.messages if mail.recipients == ["ada@example.com"]]
    assert [mail.message["Subject"] for mail in mails] == ["2 to pay"]
    assert report.done == 122


def test_makes_no_digest_across_firms_types_or_channels(
    ada: Contact, smtp_server: MailServer
) -> None:
    twin = ContactFactory(email=ada.email)
    say(ada, messages.REMINDER, context={"number": "1"})
    say(ada, messages.DIGEST_NEWS, context={"number": "2"})
    say(twin, messages.REMINDER, context={"number": "3"})

    deliver_notifications()

    assert [mail.message["Subject"] for mail in smtp_server.messages] == ["1 to pay"] * 3


def test_makes_no_digest_of_what_is_not_digestable(
    ada: Contact, smtp_server: MailServer
) -> None:
    say(ada, key="1")
    say(ada, key="2")

    deliver_notifications()

    assert len(smtp_server.messages) == 2


# ---- what must not go out (any more) ---------------------------------------------------------


def test_skips_what_was_paid_meanwhile(ada: Contact, smtp_server: MailServer) -> None:
    planned = say(ada, messages.REMINDER, context={"number": "INV-1"}, channels=EMAIL)
    Notification.objects.update(context={"number": "INV-1", "paid": True})

    report = deliver_notifications()

    assert smtp_server.messages == []
    assert (delivery(planned).status, delivery(planned).reason) == ("skipped", "paid")
    assert delivery(planned).notification.status == "skipped"
    assert (report.done, report.skipped) == (0, 1)


def test_leaves_the_paid_part_out_of_a_digest(ada: Contact, smtp_server: MailServer) -> None:
    paid = say(ada, messages.REMINDER, "1", context={"number": "INV-1", "paid": True})
    say(ada, messages.REMINDER, "2", context={"number": "INV-2"})

    deliver_notifications()

    assert [mail.message["Subject"] for mail in smtp_server.messages] == ["1 to pay"]
    assert delivery(paid).status == "skipped"


def test_leaves_a_message_queued_when_its_type_cannot_say_whether_it_is_wanted(
    ada: Contact, bob: Contact, smtp_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    planned = say(ada, messages.UNSURE, channels=EMAIL)
    say(bob)

    report = deliver_notifications()

    assert (report.done, report.failed) == (1, 1)
    assert states(planned) == {"email": "queued"}


def test_suppresses_for_this_firm_alone(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    """An address written in capitals is the same address."""
    suppress(
        firm_id=ada.firm_id,
        channel=Channel.EMAIL,
        address="ADA@example.com",
        reason="complaint",
    )
    planned = say(ada)
    say(ContactFactory(email="ada@example.com"))

    report = deliver_notifications()

    assert (delivery(planned).status, delivery(planned).reason) == ("suppressed", "suppressed")
    assert delivery(planned).notification.status == "suppressed"
    assert len(smtp_server.messages) == 1
    assert (report.done, report.skipped) == (1, 1)


def test_keeps_no_address_in_a_suppression(ada: Contact) -> None:
    suppress(
        firm_id=ada.firm_id, channel=Channel.EMAIL, address=ada.email, reason="hard_bounce"
    )
    suppress(
        firm_id=FirmFactory().pk, channel=Channel.EMAIL, address=ada.email, reason="hard_bounce"
    )

    hashes = set(Suppression.objects.values_list("address_hash", flat=True))
    assert len(hashes) == 2  # firms cannot be compared
    assert not any(ada.email in one for one in hashes)


def test_still_knows_a_suppressed_address_after_a_change_of_the_key(
    ada: Contact, smtp_server: MailServer, settings: Settings
) -> None:
    suppress(firm_id=ada.firm_id, channel=Channel.EMAIL, address=ada.email, reason="complaint")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key" * 6
    say(ada)

    deliver_notifications()

    assert smtp_server.messages == []


def test_asks_again_for_opt_outs_just_before_sending(
    ada: Contact, smtp_server: MailServer
) -> None:
    planned = say(ada, messages.NEWS)
    NotificationPreference.objects.create(
        firm=ada.firm,
        recipient_key=f"contact:{ada.pk}",
        category="marketing",
        channel="email",
        wanted=False,
    )

    deliver_notifications()

    assert smtp_server.messages == []
    assert (delivery(planned).status, delivery(planned).reason) == ("skipped", "opted out")


def test_looks_the_address_up_when_it_sends(ada: Contact, smtp_server: MailServer) -> None:
    say(ada)
    Contact.objects.filter(pk=ada.pk).update(email="new@example.com")

    deliver_notifications()

    assert sent_to(smtp_server) == [["new@example.com"]]


def test_skips_an_address_that_is_gone_meanwhile(ada: Contact, smtp_server: MailServer) -> None:
    planned = say(ada)
    Contact.objects.filter(pk=ada.pk).update(email="")

    deliver_notifications()

    assert (delivery(planned).status, delivery(planned).reason) == ("skipped", "no address")
    assert delivery(planned).notification.status == "undeliverable"


# ---- in-app ---------------------------------------------------------------------------------


def test_delivers_an_in_app_message_when_its_time_has_come(ada: Contact) -> None:
    later = NOW + timedelta(hours=3)
    planned = say(ada, messages.RECEIPT, channels=(Channel.IN_APP,), not_before=later)

    assert deliver_notifications().done == 0
    with time_machine.travel(later, tick=False):
        assert deliver_notifications().done == 1

    found = delivery(planned, Channel.IN_APP)
    assert (found.status, found.sent_at) == ("delivered", later)
    assert found.notification.status == "sent"


def test_delivers_in_app_at_night(ada: Contact) -> None:
    ada.firm.settings.email_quiet_hours = True
    ada.firm.settings.save()
    night = NOW + timedelta(hours=16)
    say(ada, messages.RECEIPT, channels=(Channel.IN_APP,), not_before=night)

    with time_machine.travel(night, tick=False):
        assert deliver_notifications().done == 1


# ---- the status of the whole -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([("queued", ""), ("delivered", "")], "queued"),
        ([("sending", ""), ("failed", "550")], "queued"),
        ([("sent", ""), ("delivered", "")], "sent"),
        ([("failed", "550"), ("delivered", "")], "sent"),
        ([("failed", "550"), ("suppressed", "")], "failed"),
        ([("suppressed", ""), ("skipped", "no address")], "suppressed"),
        ([("skipped", "paid"), ("skipped", "no address")], "skipped"),
        ([("skipped", "no address")], "undeliverable"),
    ],
)
def test_gives_the_notification_the_status(
    deliveries: list[tuple[str, str]], expected: str
) -> None:
    assert status_after(deliveries) == expected


# ---- what people read -----------------------------------------------------------------------


def test_prints_one_line_per_delivery_without_any_address(
    ada: Contact, bob: Contact, smtp_server: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    say(ada, messages.RECEIPT)
    user = UserFactory(email="carol@example.com")
    say(user, firm_id=ada.firm_id)
    say(bob, messages.REMINDER, context={"number": "INV-1", "paid": True})
    smtp_server.refuse("carol@example.com", code=450)

    call_command("deliver_notifications")

    assert capsys.readouterr().out == (
        "Delivering notifications...\n"
        f"  ✓ receipt to contact {ada.pk}: sent (email)\n"
        f"  ⚠ by_email to user {user.pk}: not sent (450 4.2.1), will be retried in 1 min\n"
        f"  - reminder to contact {bob.pk}: skipped (paid)\n"
        "\n"
        "Summary:\n"
        "  Sent: 1\n"
        "  Skipped: 1\n"
        "  Will be retried: 1\n"
        "  Errors: 0\n"
    )
    assert not JobRunItem.objects.filter(subject_label__contains="@").exists()
    assert not JobRunItem.objects.filter(detail__contains="@").exists()


def test_says_what_a_dry_run_would_do(
    ada: Contact, smtp_server: MailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    say(ada)

    call_command("deliver_notifications", "--dry-run")

    assert f"  ✓ Would send by_email to contact {ada.pk} (email)\n" in capsys.readouterr().out


def test_exits_with_an_error_when_one_failed(ada: Contact, smtp_server: MailServer) -> None:
    say(ada, context={"subject": "a\nb"})

    with pytest.raises(CommandError, match=r"^1 item\(s\) failed; see the log\.$"):
        call_command("deliver_notifications", verbosity=0)

    assert JobRun.objects.get().state == "failed"


def test_sends_exactly_what_a_preview_showed(
    ada: Contact, bob: Contact, smtp_server: MailServer
) -> None:
    say(ada)
    call_command("deliver_notifications", "--dry-run", verbosity=0)
    late = say(bob)

    call_command("apply_preview", str(JobRun.objects.get().pk), verbosity=0)

    assert sent_to(smtp_server) == [["ada@example.com"]]
    assert states(late) == {"email": "queued"}
