"""What signers and senders find in their mail, over the wire."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.documents import services
from apps.notifications.models import Delivery
from apps.notifications.services import deliver_notifications
from tests.documents.asking import ask
from tests.factories import ContactFactory, DocumentFactory, UserFactory
from tests.servers.smtp import Mail, MailServer

pytestmark = pytest.mark.django_db(transaction=True)


def text_of(mail: Mail) -> str:
    body = mail.message.get_body(("plain",))
    assert body
    return str(body.get_content())


def test_the_signer_gets_a_link_that_opens_the_page(
    smtp_server: MailServer, client: Client
) -> None:
    _, token = ask(at=timezone.now())
    deliver_notifications()
    (mail,) = smtp_server.messages
    assert mail.recipients == ["ada@example.com"]
    assert mail.message["Subject"] == "Please sign: Residential lease"
    found = re.search(r"http://127\.0\.0\.1:8000(/sign/\S+/)", text_of(mail))
    assert found
    assert client.get(found[1]).status_code == 200
    assert found[1] == f"/sign/{token}/"


def test_only_the_newest_link_is_sent(smtp_server: MailServer) -> None:
    request, _ = ask(at=timezone.now())
    _, newest = ask(document=request.document, signer=request.signer, at=timezone.now())
    deliver_notifications()
    (mail,) = smtp_server.messages
    assert newest in text_of(mail)
    assert set(Delivery.objects.values_list("status", "reason")) == {
        ("skipped", "sent again"),
        ("sent", ""),
    }


def test_the_sender_gets_one_digest_and_no_second_one(smtp_server: MailServer) -> None:
    sender, document = UserFactory(), DocumentFactory()
    week_ago = timezone.now() - timedelta(days=8)
    for name in ("Ada", "Bob"):
        signer = ContactFactory(firm=document.firm, display_name=name)
        ask(document=document, signer=signer, by=sender, at=week_ago)
    for _ in range(2):
        services.expire_signing_links()
        deliver_notifications()
    (mail,) = smtp_server.messages
    assert mail.recipients == [sender.email]
    assert mail.message["Subject"] == "2 signing links have expired"
