"""What a signed-in person has read."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.notifications.models import Channel
from apps.notifications.services import mark_read
from tests.factories import ContactFactory, FirmFactory, UserFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 3, 15, tzinfo=UTC)


def test_marks_messages_to_the_user_and_to_their_contact() -> None:
    ada = UserFactory()
    planned = [
        say(ada, messages.RECEIPT, firm_id=FirmFactory().pk),
        say(ContactFactory(user=ada), messages.RECEIPT),
    ]
    found = [delivery(one, Channel.IN_APP) for one in planned]

    assert mark_read(user=ada, deliveries=[one.pk for one in found], now=NOW) == 2
    assert {delivery(one, Channel.IN_APP).read_at for one in planned} == {NOW}


def test_keeps_the_first_reading() -> None:
    ada = UserFactory()
    planned = say(ada, messages.RECEIPT, firm_id=FirmFactory().pk)
    pk = delivery(planned, Channel.IN_APP).pk
    mark_read(user=ada, deliveries=[pk], now=NOW)

    assert mark_read(user=ada, deliveries=[pk], now=NOW + timedelta(days=1)) == 0
    assert delivery(planned, Channel.IN_APP).read_at == NOW


def test_leaves_other_peoples_messages_and_other_channels_alone() -> None:
    ada, eve = UserFactory(), UserFactory()
    planned = say(ada, messages.RECEIPT, firm_id=FirmFactory().pk)
    in_app, email = delivery(planned, Channel.IN_APP), delivery(planned, Channel.EMAIL)

    assert mark_read(user=eve, deliveries=[in_app.pk], now=NOW) == 0
    assert mark_read(user=ada, deliveries=[email.pk], now=NOW) == 0
    assert delivery(planned, Channel.IN_APP).read_at is None
