"""Answering a request: one answer wins, and only what was shown is signed."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.db import connections

from apps.audit.models import AuditEvent
from apps.documents import services
from apps.documents.models import Document, SignatureRequest
from tests.documents.asking import NOW, ask
from tests.factories import ContactFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_stores_name_time_and_the_fingerprint_of_the_text() -> None:
    request, _ = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW)
    stored = SignatureRequest.objects.get()
    assert (stored.status, stored.signed_name, stored.signed_at) == (
        "signed",
        "Ada Lovelace",
        NOW,
    )
    assert stored.signed_sha256 == stored.document.sha256


def test_works_on_the_last_instant_of_seven_days() -> None:
    request, _ = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW + timedelta(days=7))
    assert request.status == "signed"


def test_refuses_after_seven_days() -> None:
    request, _ = ask()
    with pytest.raises(services.LinkClosed):
        services.sign(request=request, name="Ada", now=NOW + timedelta(days=7, seconds=1))
    assert SignatureRequest.objects.get().signed_at is None


@pytest.mark.parametrize("status", ["signed", "declined", "expired", "revoked"])
@pytest.mark.parametrize("act", ["sign", "decline", "revoke"])
def test_never_overtakes_another_end(status: str, act: str) -> None:
    request, _ = ask()
    signed_at = NOW if status == "signed" else None
    SignatureRequest.objects.update(status=status, signed_at=signed_at)
    how = {"sign": {"name": "Ada"}, "revoke": {"by": None}}.get(act, {})
    with pytest.raises(services.LinkClosed):
        getattr(services, act)(request=request, now=NOW, **how)
    assert SignatureRequest.objects.get().status == status
    assert not AuditEvent.objects.exclude(action="signature_requested").exists()


def test_refuses_a_page_of_the_generation_before() -> None:
    old, _ = ask()
    ask(document=old.document, signer=old.signer)
    with pytest.raises(services.LinkClosed):
        services.sign(request=old, name="Ada", now=NOW)
    assert SignatureRequest.objects.get().status == "pending"


def test_refuses_a_text_that_is_not_the_one_of_the_fingerprint() -> None:
    ask()
    Document.objects.update(text="The renter owes everything.")
    request = SignatureRequest.objects.get()
    with pytest.raises(services.DocumentChanged):
        services.sign(request=request, name="Ada", now=NOW)
    assert SignatureRequest.objects.get().status == "pending"


def test_refuses_another_text_than_the_first_signer_signed() -> None:
    first, _ = ask()
    second, _ = ask(document=first.document, signer=ContactFactory(firm=first.firm))
    services.sign(request=first, name="Ada", now=NOW)
    SignatureRequest.objects.filter(pk=first.pk).update(signed_sha256="0" * 64)
    with pytest.raises(services.DocumentChanged):
        services.sign(request=second, name="Bob", now=NOW)


def test_is_written_down_as_the_signers_act_without_the_name() -> None:
    request, _ = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW)
    event = AuditEvent.objects.get(action="document_signed")
    assert event.actor_label == f"contact:{request.signer_id}"
    assert event.changes == {"sha256": request.document.sha256}


def test_viewing_is_noted_once() -> None:
    request, _ = ask()
    services.view(request=request, now=NOW)
    services.view(request=request, now=NOW + timedelta(hours=1))
    stored = SignatureRequest.objects.get()
    assert (stored.status, stored.viewed_at) == ("viewed", NOW)


def test_viewing_late_never_undoes_a_signature() -> None:
    request, _ = ask()
    services.sign(request=SignatureRequest.objects.get(), name="Ada", now=NOW)
    services.view(request=request, now=NOW)
    assert SignatureRequest.objects.get().status == "signed"


def test_a_declined_request_says_when() -> None:
    request, _ = ask()
    services.decline(request=request, now=NOW)
    assert (request.status, request.declined_at) == ("declined", NOW)


def test_a_revoked_link_is_written_down_with_who_did_it() -> None:
    request, _ = ask()
    ada = UserFactory()
    services.revoke(request=request, by=ada, now=NOW)
    assert SignatureRequest.objects.get().status == "revoked"
    assert AuditEvent.objects.get(action="signature_revoked").actor == ada


@pytest.mark.django_db(transaction=True)
def test_signing_and_expiring_at_once_have_one_winner_each() -> None:
    document = ask(at=NOW - timedelta(days=2))[0].document
    for _ in range(19):
        ask(
            at=NOW - timedelta(days=2),
            document=document,
            signer=ContactFactory(firm=document.firm),
        )
    requests = list(SignatureRequest.objects.select_related("document", "signer"))
    start, signed, expired = Barrier(2), [], []

    def sign_all() -> None:
        start.wait()
        for request in requests:
            try:
                services.sign(request=request, name="Ada", now=NOW)
                signed.append(request.pk)
            except services.LinkClosed:
                pass
        connections.close_all()

    def expire_all() -> None:
        start.wait()
        expired.append(services.expire_signing_links(days=1).done)
        connections.close_all()

    with time_machine.travel(NOW, tick=False):
        threads = [Thread(target=sign_all), Thread(target=expire_all)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert SignatureRequest.objects.filter(status="signed").count() == len(signed)
    assert SignatureRequest.objects.filter(status="expired").count() == expired[0]
    assert len(signed) + expired[0] == 20
