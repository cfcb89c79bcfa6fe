"""Putting messages into the outbox (spec A10.2, A10.3)."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from apps.contacts.models import Contact
from apps.notifications.models import Channel, Delivery, Notification, NotificationPreference
from apps.notifications.services import notify
from apps.notifications.types import NotificationType
from tests.factories import (
    ContactFactory,
    FirmFactory,
    PropertyFactory,
    SmsConsentFactory,
    UserFactory,
)
from tests.notifications import messages
from tests.notifications.outbox import delivery, draft, say, states

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ada() -> Contact:
    return ContactFactory(display_name="Ada", email="ada@example.com", phone="+15550100")


@time_machine.travel(NOW, tick=False)
def test_queues_the_email_and_delivers_in_app_at_once(ada: Contact) -> None:
    planned = say(ada, messages.RECEIPT)

    email, in_app = delivery(planned), delivery(planned, Channel.IN_APP)
    assert (email.status, email.next_attempt_at, email.sent_at) == ("queued", NOW, None)
    assert (in_app.status, in_app.sent_at, in_app.read_at) == ("delivered", NOW, None)
    assert planned.channels == (Channel.EMAIL, Channel.IN_APP)
    assert Notification.objects.get(pk=planned.notification_id).status == "queued"
    assert {email.firm_id, in_app.firm_id} == {ada.firm_id}


def test_keeps_what_the_message_is_about(ada: Contact) -> None:
    home = PropertyFactory(firm=ada.firm)

    planned = say(ada, about=home, context={"subject": "Hi", "number": 3})

    row = Notification.objects.get(pk=planned.notification_id)
    assert (row.subject_type, row.subject_id) == ("leasing.property", str(home.pk))
    assert row.context == {"subject": "Hi", "number": 3}
    assert (row.recipient_key, row.recipient) == (f"contact:{ada.pk}", ada)


def test_says_the_same_thing_once(ada: Contact) -> None:
    say(ada, key="invoice:1")

    with transaction.atomic():
        again = notify([draft(ada, key="invoice:1"), draft(ada, key="invoice:2")])

    assert [one.draft.dedupe_key for one in again] == ["invoice:2"]
    assert Notification.objects.count() == 2
    assert Delivery.objects.count() == 2


def test_says_the_same_thing_once_within_one_call(ada: Contact) -> None:
    with transaction.atomic():
        planned = notify([draft(ada, key="1"), draft(ada, key="1")])

    assert len(planned) == 1
    assert Notification.objects.count() == 1


@pytest.mark.parametrize("what", ["firm", "type", "recipient", "key"])
def test_tells_apart(ada: Contact, what: str) -> None:
    say(ada, key="1")
    other = {
        "firm": draft(ada, key="1", firm_id=FirmFactory().pk),
        "type": draft(ada, messages.NEWS, key="1"),
        "recipient": draft(ContactFactory(firm=ada.firm), key="1"),
        "key": draft(ada, key="2"),
    }[what]

    with transaction.atomic():
        assert len(notify([other])) == 1


def test_does_not_mix_up_a_user_and_a_contact_with_the_same_number(ada: Contact) -> None:
    user = UserFactory(pk=ada.pk)
    say(ada, key="1")

    planned = say(user, key="1", firm_id=ada.firm_id)

    assert (
        Notification.objects.get(pk=planned.notification_id).recipient_key == f"user:{user.pk}"
    )
    assert Notification.objects.get(pk=planned.notification_id).recipient == user


def test_writes_to_a_user_at_the_address_of_the_user(ada: Contact) -> None:
    planned = say(UserFactory(email=""), messages.RECEIPT, firm_id=ada.firm_id)

    assert states(planned) == {"email": "skipped", "in_app": "delivered"}
    assert planned.channels == (Channel.IN_APP,)
    assert Notification.objects.get(pk=planned.notification_id).status == "sent"


def test_skips_an_email_without_address_and_says_so(ada: Contact) -> None:
    ada.email = ""

    planned = say(ada, messages.RECEIPT)

    assert delivery(planned).status == "skipped"
    assert delivery(planned).reason == "no address"
    assert planned.channels == (Channel.IN_APP,)


def test_is_undeliverable_when_no_channel_remains(ada: Contact) -> None:
    ada.email = ""

    planned = say(ada, messages.BY_EMAIL)

    assert states(planned) == {"email": "skipped"}
    assert planned.channels == ()
    assert Notification.objects.get().status == "undeliverable"


def test_uses_only_the_channels_the_draft_asks_for(ada: Contact) -> None:
    planned = say(ada, messages.RECEIPT, channels=(Channel.IN_APP,))

    assert states(planned) == {"in_app": "delivered"}


def test_sends_no_text_message_while_nobody_can_send_one(ada: Contact) -> None:
    SmsConsentFactory(firm=ada.firm, recipient_key=f"contact:{ada.pk}")

    planned = say(ada, messages.EVERYWHERE)

    assert states(planned) == {"email": "queued", "in_app": "delivered"}


def prefer(contact: Contact, *, category: str, wanted: bool, channel: str = "email") -> None:
    NotificationPreference.objects.create(
        firm=contact.firm,
        recipient_key=f"contact:{contact.pk}",
        category=category,
        channel=channel,
        wanted=wanted,
    )


@pytest.mark.parametrize(
    ("category", "type", "expected"),
    [
        ("marketing", messages.NEWS, {"in_app": "delivered"}),
        ("", messages.NEWS, {"in_app": "delivered"}),
        ("operational", messages.NEWS, {"email": "queued", "in_app": "delivered"}),
        # Only optional messages can be declined by e-mail.
        ("transactional", messages.RECEIPT, {"email": "queued", "in_app": "delivered"}),
        ("", messages.RECEIPT, {"email": "queued", "in_app": "delivered"}),
    ],
)
def test_honours_an_opt_out(
    ada: Contact, category: str, type: NotificationType, expected: dict[str, str]
) -> None:
    prefer(ada, category=category, wanted=False)

    assert states(say(ada, type)) == expected


def test_lets_a_yes_to_a_category_outweigh_a_general_no(ada: Contact) -> None:
    prefer(ada, category="", wanted=False)
    prefer(ada, category="marketing", wanted=True)

    assert "email" in states(say(ada, messages.NEWS))


def test_ignores_the_preference_for_another_firm(ada: Contact) -> None:
    NotificationPreference.objects.create(
        firm=FirmFactory(),
        recipient_key=f"contact:{ada.pk}",
        channel="email",
        wanted=False,
    )

    assert "email" in states(say(ada, messages.NEWS))


@time_machine.travel(NOW, tick=False)
def test_waits_on_every_channel_until_not_before(ada: Contact) -> None:
    later = NOW + timedelta(days=2)

    planned = say(ada, messages.RECEIPT, not_before=later)

    assert states(planned) == {"email": "queued", "in_app": "queued"}
    assert {one.next_attempt_at for one in Delivery.objects.all()} == {later}


def test_leaves_nothing_behind_when_the_effect_is_rolled_back(ada: Contact) -> None:
    with transaction.atomic():
        notify([draft(ada)])
        transaction.set_rollback(True)

    assert not Notification.objects.exists()


@pytest.mark.postgres  # SQLite cuts an INSERT into pieces of 999 values
@pytest.mark.parametrize("count", [1, 200])
def test_takes_no_more_statements_for_more_messages(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    some = ContactFactory.create_batch(count, firm=FirmFactory())

    # Look, savepoint, wishes, notifications, deliveries, release.
    with transaction.atomic(), django_assert_num_queries(6):
        notify([draft(one, messages.RECEIPT) for one in some])


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_says_it_once_when_two_processes_say_it_at_once(ada: Contact) -> None:
    inserted, go_on = threading.Event(), threading.Event()

    def first() -> int:
        try:
            with transaction.atomic():
                new = notify([draft(ada, key="1"), draft(ada, key="2")])
                inserted.set()
                go_on.wait(10)
                return len(new)
        finally:
            connection.close()

    def second() -> int:
        try:
            inserted.wait(10)
            threading.Timer(0.5, go_on.set).start()  # it waits for the first one's commit
            with transaction.atomic():
                return len(notify([draft(ada, key="2"), draft(ada, key="3")]))
        finally:
            connection.close()

    with ThreadPoolExecutor() as pool:
        found = [future.result(20) for future in (pool.submit(first), pool.submit(second))]

    assert found == [2, 1]
    assert sorted(Notification.objects.values_list("dedupe_key", flat=True)) == ["1", "2", "3"]
    assert Delivery.objects.count() == 3
