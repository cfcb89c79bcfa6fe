"""Documents and signature requests in the admin."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.documents import services
from apps.documents.models import Document, SignatureRequest
from apps.firms.models import User
from apps.notifications.models import Notification
from tests.documents.asking import ask
from tests.factories import ContactFactory, DocumentFactory, FirmFactory, MembershipFactory

pytestmark = pytest.mark.django_db

REQUESTS = reverse("admin:documents_signaturerequest_changelist")


def staff_of(firm: Any, *, rights: tuple[str, ...] = ("view", "add", "change")) -> User:
    user: User = MembershipFactory(firm=firm).user
    codenames = [
        f"{r}_{m}" for r in rights for m in ("document", "signaturerequest", "contact")
    ]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def page_of(row: Any) -> str:
    return reverse(f"admin:documents_{row._meta.model_name}_change", args=[row.pk])


def press(client: Client, action: str, *requests: SignatureRequest) -> str:
    data = {"action": action, "_selected_action": [r.pk for r in requests]}
    response = client.post(REQUESTS, data, follow=True)
    return " ".join(str(message) for message in response.context["messages"])


@pytest.fixture
def today() -> Any:
    return timezone.now()


def test_sends_again_and_says_so_in_one_sentence(client: Client, today: Any) -> None:
    first, old = ask(at=today - timedelta(days=8))
    signed, _ = ask(document=first.document, signer=ContactFactory(firm=first.firm), at=today)
    services.sign(request=signed, name="Bob", now=today)
    user = staff_of(first.firm)
    client.force_login(user)
    assert press(client, "send_again", first, signed) == (
        "1 link sent again, 1 skipped: already signed."
    )
    first.refresh_from_db()
    assert (first.generation, first.requested_by) == (2, user)
    assert services.find_by_token(old) is None
    assert Notification.objects.filter(type="signature_requested").count() == 3


def test_revokes_and_says_so_in_one_sentence(client: Client, today: Any) -> None:
    first, _ = ask(at=today)
    second, _ = ask(document=first.document, signer=ContactFactory(firm=first.firm), at=today)
    client.force_login(staff_of(first.firm))
    assert press(client, "revoke", first, second) == "2 links revoked."
    assert press(client, "revoke", first) == "0 links revoked, 1 skipped: no longer open."


def test_asks_somebody_to_sign(client: Client) -> None:
    document = DocumentFactory()
    signer = ContactFactory(firm=document.firm)
    user = staff_of(document.firm)
    client.force_login(user)
    where = reverse("admin:documents_signaturerequest_add")
    client.post(where, {"document": document.pk, "signer": signer.pk})
    request = SignatureRequest.objects.get()
    assert (request.requested_by, request.firm) == (user, document.firm)
    assert Notification.objects.get().recipient_contact == signer


def test_files_a_document_with_its_fingerprint(client: Client) -> None:
    firm = FirmFactory()
    client.force_login(staff_of(firm))
    client.post(
        reverse("admin:documents_document_add"),
        {"firm": firm.pk, "title": "House rules", "text": "No drums."},
    )
    document = Document.objects.get()
    assert (document.title, document.is_intact()) == ("House rules", True)


def test_a_text_that_somebody_was_asked_to_sign_cannot_be_changed(client: Client) -> None:
    request, _ = ask()
    client.force_login(staff_of(request.firm))
    response = client.post(
        page_of(request.document),
        {
            "title": "Other",
            "text": "Other",
            "owner": request.signer_id,
            "signature_requests-TOTAL_FORMS": 1,
            "signature_requests-INITIAL_FORMS": 1,
            "signature_requests-0-id": request.pk,
            "signature_requests-0-document": request.document_id,
            "signature_requests-0-status": "signed",
        },
    )
    assert response.status_code == 302
    document = Document.objects.get()
    assert document.owner == request.signer
    assert (document.title, document.text) == (
        "Residential lease",
        "The renter rents the unit.",
    )
    assert SignatureRequest.objects.get().status == "pending"


def test_a_request_has_no_form_that_could_change_it(client: Client) -> None:
    request, _ = ask()
    client.force_login(staff_of(request.firm))
    before = SignatureRequest.objects.values().get()
    response = client.get(page_of(request))
    assert b'name="_save"' not in response.content
    assert request.token_hash.encode() not in response.content
    assert client.post(page_of(request), {"status": "signed"}).status_code == 403
    assert SignatureRequest.objects.values().get() == before


def test_shows_an_old_link_as_expired_before_the_job_has_run(
    client: Client, today: Any
) -> None:
    request, _ = ask(at=today - timedelta(days=8))
    client.force_login(staff_of(request.firm))
    assert b'field-state">Expired<' in client.get(REQUESTS).content


def test_shows_nothing_of_another_firm(client: Client, today: Any) -> None:
    ours, theirs = (
        ask(document=DocumentFactory(title=title), at=today)[0] for title in ("Ours", "Theirs")
    )
    client.force_login(staff_of(ours.firm))
    for where in (REQUESTS, reverse("admin:documents_document_changelist")):
        content = client.get(where).content
        assert b"Ours" in content
        assert b"Theirs" not in content
        assert theirs.firm.name.encode() not in content
    for row in (theirs, theirs.document):
        assert client.get(page_of(row)).status_code == 302  # "does not exist", back to start
    for field, model in (("document", "signaturerequest"), ("owner", "document")):
        choices = client.get(
            reverse("admin:autocomplete"),
            {"app_label": "documents", "model_name": model, "field_name": field},
        ).json()["results"]
        assert len(choices) == 1


def test_changes_nothing_of_another_firm(client: Client, today: Any) -> None:
    ours, theirs = ask(at=today)[0], ask(at=today)[0]
    before = list(SignatureRequest.objects.filter(pk=theirs.pk).values())
    client.force_login(staff_of(ours.firm))
    press(client, "revoke", theirs)
    press(client, "send_again", theirs)
    client.post(page_of(theirs.document), {"title": "Taken over"})
    add = reverse("admin:documents_signaturerequest_add")
    stranger = ContactFactory(firm=theirs.firm)
    client.post(add, {"document": theirs.document_id, "signer": stranger.pk})
    client.post(add, {"document": ours.document_id, "signer": stranger.pk})
    client.post(
        reverse("admin:documents_document_add"),
        {"firm": theirs.firm_id, "title": "Planted", "text": "Planted"},
    )
    assert list(SignatureRequest.objects.filter(pk=theirs.pk).values()) == before
    assert SignatureRequest.objects.count() == 2
    assert set(Document.objects.values_list("title", flat=True)) == {"Residential lease"}


def test_a_person_of_two_firms_cannot_mix_them(client: Client) -> None:
    document = DocumentFactory()
    user = staff_of(document.firm)
    stranger = ContactFactory()
    MembershipFactory(firm=stranger.firm, user=user)
    client.force_login(user)
    response = client.post(
        reverse("admin:documents_signaturerequest_add"),
        {"document": document.pk, "signer": stranger.pk},
    )
    assert b"This belongs to another firm." in response.content
    response = client.post(
        reverse("admin:documents_document_add"),
        {"firm": document.firm_id, "title": "T", "text": "T", "owner": stranger.pk},
    )
    assert b"This belongs to another firm." in response.content
    assert not SignatureRequest.objects.exists()


def test_who_may_only_look_finds_no_actions(client: Client, today: Any) -> None:
    request, _ = ask(at=today)
    client.force_login(staff_of(request.firm, rights=("view",)))
    assert b'value="revoke"' not in client.get(REQUESTS).content
    press(client, "revoke", request)
    request.refresh_from_db()
    assert request.status == "pending"


def test_who_left_the_firm_sees_nothing(client: Client, today: Any) -> None:
    request, _ = ask(at=today)
    user = staff_of(request.firm)
    user.memberships.update(is_active=False)
    client.force_login(user)
    assert b"Residential lease" not in client.get(REQUESTS).content


@pytest.mark.parametrize("model", ["document", "signaturerequest"])
def test_a_list_asks_no_more_of_the_database_for_more_rows(client: Client, model: str) -> None:
    firm = FirmFactory()
    user = staff_of(firm)
    client.force_login(user)

    def queries(rows: int) -> int:
        for _ in range(rows):
            ask(document=DocumentFactory(firm=firm), by=user)
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(f"admin:documents_{model}_changelist"))
        return len(captured)

    assert queries(2) == queries(8)
