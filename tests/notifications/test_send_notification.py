"""What a person writes (spec D21) ..."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.problems import BadOption
from apps.notifications.models import (
    Channel,
    Delivery,
    Notification,
    NotificationGroup,
    Suppression,
)
from apps.notifications.services import (
    deliver_notifications,
    prefer,
    recipient_key,
    send_notification,
    suppress,
)
from apps.notifications.types import Category
from tests.factories import (
    ContactFactory,
    FirmFactory,
    MembershipFactory,
    NotificationGroupFactory,
)
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

WORDS = {"subject": "Water", "body": "It is off on Monday."}


@pytest.fixture(autouse=True)
def _the_projects_types(settings: Settings) -> None:
    settings.MESSAGES = "project.messages"


def command(**options: Any) -> str:
    out = StringIO()
    call_command("send_notification", stdout=out, **{**WORDS, **options})
    return out.getvalue()


def typed(*words: str) -> str:
    """What a person types, word by word."""
    out = StringIO()
    call_command("send_notification", *words, stdout=out)
    return out.getvalue()


def group_of(*members: Contact, name: str = "All Tenants") -> NotificationGroup:
    group: NotificationGroup = NotificationGroupFactory(firm=members[0].firm, name=name)
    group.members.add(*members)
    return group


def test_goes_to_somebody_known() -> None:
    ada = ContactFactory(email="tenant@example.com")

    said = command(to="Tenant@Example.com", channel="email")

    assert said == "✓ Queued 1 notification (email: 1).\n"
    delivery = Delivery.objects.select_related("notification").get()
    assert delivery.notification.recipient_contact == ada
    assert delivery.notification.context == {"subject": "Water", "text": WORDS["body"]}
    assert (delivery.firm, delivery.channel, delivery.status) == (ada.firm, "email", "queued")


def test_goes_to_a_member_of_staff_who_is_no_contact() -> None:
    person = MembershipFactory(user__email="ann@example.com").user

    assert command(to="ann@example.com") == "✓ Queued 1 notification (email: 1, in_app: 1).\n"
    assert Notification.objects.get().recipient_user == person


def test_goes_to_a_group_one_message_each(smtp_server: MailServer) -> None:
    firm = FirmFactory()
    members = ContactFactory.create_batch(15, firm=firm)
    stranger = ContactFactory()
    group_of(*members).members.add(stranger)  # whatever the rows say

    said = typed("--group", "all tenants", "--subject", "Water", "--body", "It is off.")
    deliver_notifications()

    assert said == "✓ Queued 15 notifications (email: 15, in_app: 15).\n"
    assert sorted(mail.recipients for mail in smtp_server.messages) == sorted(
        [one.email] for one in members
    )
    assert {mail.message["To"] for mail in smtp_server.messages} == {
        one.email for one in members
    }


def test_leaves_out_who_opted_out_and_whose_address_is_suppressed() -> None:
    ada, bob, cleo, dan = ContactFactory.create_batch(4, firm=FirmFactory())
    silent = ContactFactory(firm=ada.firm, email="")
    group_of(ada, bob, cleo, dan, silent)
    for one in (bob, cleo):
        prefer(
            firm_id=one.firm_id,
            recipient_key=recipient_key(one),
            channel=Channel.EMAIL,
            category=Category.OPERATIONAL,
            wanted=False,
        )
    suppress(
        firm_id=dan.firm_id,
        channel=Channel.EMAIL,
        address=dan.email,
        reason=Suppression.Reason.COMPLAINT,
    )

    said = command(to_group="All Tenants", channel="email")

    assert said.splitlines() == [
        f"  - Skipped {bob}: opted out",
        f"  - Skipped {cleo}: opted out",
        f"  - Skipped {dan}: suppressed",
        f"  - Skipped {silent}: no address",
        "✓ Queued 1 notification (email: 1); 4 skipped "
        "(opted out: 2, suppressed: 1, no address: 1).",
    ]
    assert Notification.objects.get().recipient_contact == ada


def test_says_why_when_all_were_left_out_for_one_reason() -> None:
    ada = ContactFactory()
    prefer(
        firm_id=ada.firm_id,
        recipient_key=recipient_key(ada),
        channel=Channel.EMAIL,
        wanted=False,
    )

    said = command(to=ada.email, channel="email")

    assert said.endswith("✓ Queued 0 notifications; 1 skipped (opted out).\n")


def test_is_dropped_when_it_was_said_just_now() -> None:
    ada = ContactFactory()
    with time_machine.travel("2025-03-03T12:00Z", tick=False) as clock:
        command(to=ada.email)
        clock.shift(timedelta(minutes=2, seconds=30))
        again = command(to=ada.email)
        other = command(to=ada.email, body="It is on again.")
        forced = command(to=ada.email, force=True)
        clock.shift(timedelta(minutes=10))
        later = command(to=ada.email)

    assert again.splitlines() == [
        f"  - Skipped {ada}: identical message sent 2 minutes ago",
        "✓ Queued 0 notifications; 1 skipped (identical message just sent).",
    ]
    assert all("Queued 1 notification " in said for said in (other, forced, later))
    assert Notification.objects.count() == 4


def test_is_said_once_for_ever_under_a_key() -> None:
    ada = ContactFactory()
    with time_machine.travel("2025-03-03T12:00Z", tick=False) as clock:
        command(to=ada.email, dedupe_key="water-2025")
        clock.shift(timedelta(days=2))
        again = command(to=ada.email, dedupe_key="water-2025", body="Other words.")

    assert f"Skipped {ada}: sent before under this key" in again
    assert Notification.objects.get().context["text"] == WORDS["body"]


def test_makes_a_contact_of_an_address_that_nobody_has() -> None:
    firm, _ = FirmFactory(), FirmFactory()

    previewed = command(to="new@example.com", firm_id=firm.pk, dry_run=True)
    assert not Contact.objects.exists()
    command(to="new@example.com", firm_id=firm.pk)
    command(to="new@example.com", firm_id=firm.pk, force=True)

    assert previewed == "Would queue 1 notification (email: 1, in_app: 1).\n"
    new = Contact.objects.get()
    assert (new.firm, new.email, new.display_name) == (firm, *["new@example.com"] * 2)
    assert Notification.objects.filter(recipient_contact=new).count() == 2


def test_is_not_sent_for_a_firm_that_is_suspended() -> None:
    firm = FirmFactory(status="suspended")
    ada = ContactFactory(firm=firm)

    assert command(to=ada.email).startswith(f"Firm {firm.pk} is suspended; skipped.\n")
    assert not Notification.objects.exists()


def test_reaches_nobody_in_an_empty_group() -> None:
    NotificationGroupFactory(name="Board")

    assert command(to_group="Board") == "0 recipients\n"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "One of --to or --group is required."),
        ({"to": "a@b.example", "to_group": "G"}, "--to and --group cannot be combined."),
        ({"to": "a@b.example", "body": " "}, "--body is required."),
        ({"to": "a@b.example", "subject": ""}, "--subject is required."),
        (
            {"to": "a@b.example", "subject": "Hi\nBcc: x@y.example"},
            "--subject must not contain line breaks.",
        ),
        ({"to": "a@b.example", "firm_id": 0}, "Firm with ID 0 does not exist."),
        ({"to": "ada"}, "'ada' is not an e-mail address."),
        ({"to_group": "Nobody"}, "Group 'Nobody' does not exist."),
        (
            {"to": "a@b.example", "channel": "sms"},
            "No contact found for a@b.example; sms and in_app need a known recipient.",
        ),
        ({"to": "a@b.example"}, "No contact found for a@b.example; use --firm-id."),
    ],
)
def test_is_refused(options: dict[str, Any], problem: str) -> None:
    FirmFactory.create_batch(2)

    with pytest.raises(BadOption) as refused:
        send_notification(**{**WORDS, **options})
    assert str(refused.value) == problem


def test_is_refused_when_several_firms_could_be_meant() -> None:
    ada, bob = ContactFactory.create_batch(2, email="twice@example.com")
    group_of(ada)
    group_of(bob)
    group_of(ContactFactory(), name="ALL tenants")

    with pytest.raises(CommandError, match="'All Tenants' exists in 3 firms; use --firm-id"):
        command(to_group="All Tenants")
    with pytest.raises(CommandError, match="is known in 2 firms; use --firm-id"):
        command(to="twice@example.com")
    assert "Queued 1 notification " in command(to_group="All Tenants", firm_id=ada.firm_id)
    assert Notification.objects.get().recipient_contact == ada


def test_asks_the_database_no_more_for_more_recipients(
    django_assert_max_num_queries: Any,
) -> None:
    members = ContactFactory.create_batch(60, firm=FirmFactory())
    group_of(*members)

    with django_assert_max_num_queries(20):
        send_notification(to_group="All Tenants", **WORDS)
    assert Notification.objects.count() == 60
