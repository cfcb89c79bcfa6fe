"""Asking somebody to sign."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.test import override_settings

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.documents import services
from apps.documents.messages import SIGNATURE_REQUESTED
from apps.documents.models import Document, SignatureRequest
from apps.notifications.models import Channel, Notification
from tests.documents.asking import NOW, address, ask
from tests.factories import ContactFactory, DocumentFactory, FirmFactory, UserFactory

pytestmark = pytest.mark.django_db


def words_for(request: SignatureRequest) -> str:
    notification = Notification.objects.get(
        type="signature_requested", dedupe_key=f"signature:{request.pk}:{request.generation}"
    )
    return SIGNATURE_REQUESTED.write([notification]).text


def test_makes_a_pending_request_that_ends_after_seven_days() -> None:
    request, token = ask()
    assert request.status == "pending"
    assert request.generation == 1
    assert request.token_created_at == NOW
    assert request.works_at(NOW + timedelta(days=7))
    assert not request.works_at(NOW + timedelta(days=7, microseconds=1))
    assert len(token) == 43  # 256 bits, six to a character


def test_puts_one_email_into_the_outbox() -> None:
    request, _ = ask()
    notification = Notification.objects.get()
    assert notification.recipient_contact == request.signer
    assert list(notification.deliveries.values_list("channel")) == [(Channel.EMAIL,)]


def test_writes_the_link_only_when_the_message_is_written() -> None:
    request, token = ask()
    with override_settings(SITE_URL="https://night.example"):
        text = words_for(request)
    assert text == (
        "Hello Ada Lovelace,\n\n"
        f"{request.firm.name} asks you to sign “Residential lease”.\n\n"
        f"Read and sign it here:\nhttps://night.example{address(token)}\n\n"
        "The link works until 17 June 2025, 08:00 (America/New_York). "
        "It is meant for you alone: please do not pass it on.\n\n"
        f"{request.firm.name}\n"
    )


def test_leaves_no_usable_token_in_any_column() -> None:
    request, token = ask(by=UserFactory())
    services.view(request=request, now=NOW)
    ask(document=request.document, signer=request.signer)
    _, newest = ask(document=request.document, signer=request.signer)
    values = {
        value if isinstance(value, str) else json.dumps(value, cls=DjangoJSONEncoder)
        for model in apps.get_models()
        if model._meta.managed and model._meta.app_label not in {"auth", "contenttypes"}
        for row in model._default_manager.values_list()
        for value in row
    }
    request.refresh_from_db()
    assert {request.token_hash, request.token_nonce} < values
    assert not [value for value in values if token in value or newest in value]
    assert not [value for value in values if services.find_by_token(value)]


def test_keeps_the_link_of_a_waiting_message_over_a_change_of_the_key() -> None:
    with override_settings(SECRET_KEY="o" * 50):
        request, token = ask()
    with override_settings(SECRET_KEY="n" * 50, SECRET_KEY_FALLBACKS=["o" * 50]):
        assert address(token) in words_for(request)


def test_sends_no_dead_link_when_the_key_is_gone() -> None:
    with override_settings(SECRET_KEY="o" * 50):
        ask()
    notification = Notification.objects.get()
    assert SIGNATURE_REQUESTED.still_wanted
    with override_settings(SECRET_KEY="n" * 50), time_machine.travel(NOW, tick=False):
        why = SIGNATURE_REQUESTED.still_wanted([notification])
    assert why == {notification.pk: "secret key changed"}


def test_again_makes_a_new_generation_on_the_same_row_and_kills_the_old_link() -> None:
    request, old = ask()
    services.decline(request=request, now=NOW)
    later = NOW + timedelta(days=9)
    again, new = ask(document=request.document, signer=request.signer, at=later)
    assert again.pk == request.pk
    assert again.generation == 2
    assert (again.status, again.declined_at) == ("pending", None)
    assert again.works_at(later + timedelta(days=7))
    assert services.find_by_token(old) is None
    assert services.find_by_token(new) == request


def test_again_does_not_send_the_first_message_any_more() -> None:
    request, _ = ask()
    ask(document=request.document, signer=request.signer)
    first, second = Notification.objects.order_by("pk")
    assert SIGNATURE_REQUESTED.still_wanted
    with time_machine.travel(NOW, tick=False):
        assert SIGNATURE_REQUESTED.still_wanted([first, second]) == {first.pk: "sent again"}


def test_does_not_send_a_link_that_was_revoked_meanwhile() -> None:
    request, _ = ask()
    services.revoke(request=request, by=None, now=NOW)
    notification = Notification.objects.get()
    assert SIGNATURE_REQUESTED.still_wanted
    with time_machine.travel(NOW, tick=False):
        why = SIGNATURE_REQUESTED.still_wanted([notification])
    assert why == {notification.pk: "link closed"}


def test_never_asks_for_a_signature_twice() -> None:
    request, token = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW)
    with pytest.raises(services.AlreadySigned):
        ask(document=request.document, signer=request.signer)
    request.refresh_from_db()
    assert (request.status, request.generation) == ("signed", 1)
    assert services.find_by_token(token) == request


def test_leaves_the_other_signer_alone() -> None:
    request, token = ask()
    other, others_token = ask(
        document=request.document, signer=ContactFactory(firm=request.firm)
    )
    ask(document=request.document, signer=request.signer)
    other.refresh_from_db()
    assert other.generation == 1
    assert services.find_by_token(others_token) == other
    assert services.find_by_token(token) is None


def test_refuses_a_signer_of_another_firm() -> None:
    with pytest.raises(Problem, match="another firm"):
        ask(signer=ContactFactory())
    assert not SignatureRequest.objects.exists()
    assert not Notification.objects.exists()


def test_refuses_a_text_that_lost_its_fingerprint() -> None:
    document = DocumentFactory()
    Document.objects.update(text="Another text.")
    document.refresh_from_db()
    with pytest.raises(services.DocumentChanged):
        ask(document=document)


def test_is_written_down_with_who_asked() -> None:
    ada = UserFactory(username="ada")
    request, _ = ask(by=ada)
    event = AuditEvent.objects.get(action="signature_requested")
    assert (event.actor, event.object_id) == (ada, str(request.pk))
    assert event.changes == {"generation": 1}


def test_a_document_keeps_its_text_once_somebody_was_asked() -> None:
    request, _ = ask()
    document = request.document
    document.text = "The renter rents two units."
    with pytest.raises(services.DocumentChanged):
        services.save_document(document=document)
    document.refresh_from_db()
    assert document.text == "The renter rents the unit."


def test_a_document_gets_the_fingerprint_of_its_text() -> None:
    document = services.save_document(
        document=DocumentFactory.build(firm=FirmFactory(), sha256="")
    )
    assert document.sha256 == (
        "c35e1ba44121bcc14b71763194aa6d195713df41c7e68e24933ea8bdeff54235"
    )
