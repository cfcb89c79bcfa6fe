"""The link in optional messages (spec A10.5)."""

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from apps.contacts.models import Contact
from apps.notifications.models import NotificationPreference
from apps.notifications.services import unsubscribe_token
from apps.notifications.types import Category
from tests.factories import ContactFactory, FirmFactory
from tests.notifications import messages
from tests.notifications.outbox import say, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Contact:
    return ContactFactory(firm=FirmFactory(name="Evergreen & <Sons>"))


def link(contact: Contact, category: Category = Category.MARKETING) -> str:
    token = unsubscribe_token(
        firm_id=contact.firm_id, recipient_key=f"contact:{contact.pk}", category=category
    )
    return reverse("notifications:unsubscribe", args=[token])


@pytest.mark.parametrize("method", ["get", "head"])
def test_changes_nothing_when_a_scanner_opens_the_link(
    ada: Contact, client: Client, method: str
) -> None:
    response = getattr(client, method)(link(ada))

    assert response.status_code == 200
    assert not NotificationPreference.objects.exists()


def test_shows_a_button(ada: Contact, client: Client) -> None:
    page = client.get(link(ada)).content.decode()

    assert "No more marketing e-mail from Evergreen &amp; &lt;Sons&gt;?" in page
    assert '<form method="post"><button>' in page
    assert ada.email not in page


def test_ends_optional_messages_of_this_kind_with_one_click(ada: Contact) -> None:
    # As a mail program does it: no cookies, no token of the page, RFC 8058's body.
    mail_program = Client(enforce_csrf_checks=True)

    response = mail_program.post(
        link(ada),
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )

    assert response.status_code == 200
    assert "Done" in response.content.decode()
    assert states(say(ada, messages.NEWS)) == {"in_app": "delivered"}
    assert "email" in states(say(ada, messages.DIGEST_NEWS, context={"number": "1"}))
    assert "email" in states(say(ada, messages.RECEIPT))


def test_leaves_the_other_firm_and_the_other_contact_alone(ada: Contact) -> None:
    neighbour, colleague = ContactFactory(email=ada.email), ContactFactory(firm=ada.firm)

    Client().post(link(ada))

    assert "email" in states(say(neighbour, messages.NEWS))
    assert "email" in states(say(colleague, messages.NEWS))


def test_does_no_harm_twice(ada: Contact, client: Client) -> None:
    client.post(link(ada))
    assert client.post(link(ada)).status_code == 200

    assert NotificationPreference.objects.count() == 1


@pytest.mark.parametrize("change", ["forged", "other salt", "nonsense", "firm gone"])
def test_does_nothing_for_a_link_that_is_not_ours(
    ada: Contact, client: Client, change: str
) -> None:
    good = unsubscribe_token(
        firm_id=ada.firm_id, recipient_key="contact:1", category=Category.MARKETING
    )
    token = {
        "forged": good[:-1] + ("A" if good[-1] != "A" else "B"),
        "other salt": signing.dumps([1, "x", "y"]),
        "nonsense": "x",
        "firm gone": unsubscribe_token(
            firm_id=10**6, recipient_key="contact:1", category=Category.MARKETING
        ),
    }[change]
    address = reverse("notifications:unsubscribe", args=[token])

    assert client.get(address).status_code == 404
    assert client.post(address).status_code == 404
    assert not NotificationPreference.objects.exists()


def test_refuses_other_methods(ada: Contact, client: Client) -> None:
    assert client.delete(link(ada)).status_code == 405


def test_stays_out_of_caches_search_engines_and_other_sites_logs(
    ada: Contact, client: Client
) -> None:
    answers = [client.get(link(ada)), client.post(link(ada))]

    for answer in answers:
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex"
        assert "form-action 'self';" in answer["Content-Security-Policy"]
