"""Everybody's inbox shows ..."""

from datetime import UTC, datetime

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from apps.firms.models import User
from apps.notifications.models import Channel, Delivery, Notification
from tests.factories import ContactFactory, FirmFactory, MembershipFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say

pytestmark = pytest.mark.django_db

PATH = "/notifications/"


@pytest.fixture
def ann() -> User:
    """Somebody who works for a firm."""
    person: User = MembershipFactory(firm__name="Alder Homes").user
    return person


def reading(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def subjects(client: Client) -> list[str]:
    page = BeautifulSoup(client.get(PATH).content, "html.parser")
    return [one.get_text() for one in page.find_all("summary")]


def tell(user: User, subject: str) -> Delivery:
    (firm,) = user.firms()
    context = {"subject": subject, "text": f"<b>{subject}</b> https://x.example/1"}
    planned = say(user, messages.RECEIPT, subject, firm_id=firm.pk, context=context)
    return delivery(planned, Channel.IN_APP)


def test_ones_own_messages_the_newest_first(ann: User) -> None:
    tell(ann, "First")
    tell(ann, "Second")
    tell(MembershipFactory(firm=ann.firms().get()).user, "A colleague's")
    client = reading(ann)

    assert subjects(client) == ["Second", "First"]
    html = client.get(PATH).content.decode()
    assert "2 unread messages" in html
    assert "&lt;b&gt;First&lt;/b&gt;" in html
    assert "Alder Homes" in html
    assert client.get(PATH)["Cache-Control"] == "no-store"


def test_what_a_firm_tells_its_customer(ann: User) -> None:
    elsewhere = ContactFactory(user=ann)
    say(elsewhere, messages.RECEIPT, context={"subject": "Your invoice"})

    assert subjects(reading(ann)) == ["Your invoice"]


def test_nothing_of_a_firm_that_one_has_left_nor_what_is_emptied(ann: User) -> None:
    tell(ann, "Secret")
    gone = tell(ann, "Old")
    Notification.objects.filter(pk=gone.notification_id).update(
        emptied_at=datetime(2025, 1, 1, tzinfo=UTC), context={}
    )
    assert subjects(reading(ann)) == ["Secret"]

    ann.memberships.update(is_active=False)
    MembershipFactory(firm=FirmFactory(), user=ann)
    assert subjects(reading(ann)) == []


def test_what_is_still_unread(ann: User) -> None:
    first, second, foreign = (
        tell(ann, "First"),
        tell(ann, "Second"),
        tell(MembershipFactory(firm=ann.firms().get()).user, "A colleague's"),
    )
    client = reading(ann)

    answer = client.post(PATH, {"read": [first.pk, foreign.pk, "x", 10**30]}, follow=True)

    assert "1 unread message<" in answer.content.decode()
    assert [one.read_at is not None for one in Delivery.objects.order_by("pk").filter(
        pk__in=[first.pk, second.pk, foreign.pk])] == [True, False, False]  # fmt: skip


def test_nothing_to_whom_nobody_knows() -> None:
    answer = Client().get(PATH)

    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={PATH}")
