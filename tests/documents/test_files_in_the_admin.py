"""Files in the admin: sent with a form, downloaded by who may see them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.documents.admin import download_link
from apps.documents.models import Document
from apps.firms.models import Firm, User
from apps.integrations.storage import Storage
from apps.leasing.models import Lease
from tests.documents.filing import PDF, store
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FileFactory,
    FirmFactory,
    LeaseFactory,
    MembershipFactory,
    UserFactory,
)
from tests.servers.s3 import S3Server, bucket_at, nobody

# Files are sent after the commit, so there have to be commits.
pytestmark = pytest.mark.django_db(transaction=True)

ADD = reverse("admin:documents_document_add")
LIST = reverse("admin:documents_document_changelist")


def staff_of(firm: Firm, *, rights: tuple[str, ...] = ("view", "add", "change")) -> User:
    user: User = MembershipFactory(firm=firm).user
    codenames = [f"{right}_document" for right in rights]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def page_of(document: Document) -> str:
    return reverse("admin:documents_document_change", args=[document.pk])


def download_of(document: Document) -> str:
    return reverse("admin:documents_document_download", args=[document.pk])


def send(
    client: Client, firm: Firm, content: bytes = PDF, name: str = "w9.pdf", **how: Any
) -> Any:
    told = {"firm": firm.pk, "title": "W-9", "file": SimpleUploadedFile(name, content)}
    return client.post(ADD, told | how, follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def errors(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


# ---- sending ------------------------------------------------------------------------------


def test_stores_what_is_sent_with_the_form(client: Client, storage: Storage) -> None:
    firm = FirmFactory()
    user = staff_of(firm)
    owner = ContactFactory(firm=firm)
    client.force_login(user)

    answer = send(client, firm, owner=owner.pk)

    document = Document.objects.get()
    assert len(said(answer)) == 1
    assert "was added successfully" in said(answer)[0]
    assert (document.firm, document.title, document.owner) == (firm, "W-9", owner)
    assert (document.state, document.file_name) == ("available", "w9.pdf")
    assert b"".join(storage.read(document.storage_key)) == PDF
    event = AuditEvent.objects.get(action="file_stored")
    assert (event.actor, event.object_id) == (user, str(document.pk))


def test_says_when_the_storage_did_not_take_it(client: Client, settings: Settings) -> None:
    settings.STORAGE = bucket_at(nobody(), "files")
    firm = FirmFactory()
    client.force_login(staff_of(firm))

    answer = send(client, firm)

    assert said(answer)[1:] == [
        "But its file was not stored, so please send it again: "
        "The storage gave no usable answer (EndpointConnectionError)."
    ]
    document = Document.objects.get()
    assert document.state == "uploading"
    listed = client.get(LIST).content.decode()
    assert "Uploading" in listed
    assert download_of(document) not in listed


@pytest.mark.parametrize(
    ("content", "told", "field", "says"),
    [
        (PDF, {"text": "No drums."}, "file", "A document is either a text or a file."),
        (b"MZ\x90\0", {}, "file", "Files of this kind are not taken; these are: PDF"),
        (b"", {}, "file", "The submitted file is empty."),
        (PDF.ljust(1_100_000), {}, "file", "A file may have at most 1 MiB."),
        (PDF, {"title": ""}, "title", "This field is required."),
    ],
)
def test_stores_nothing_of_what_it_does_not_take(
    client: Client,
    folder: Any,
    settings: Settings,
    content: bytes,
    told: dict[str, Any],
    field: str,
    says: str,
) -> None:
    settings.UPLOAD_MAX_MIB = 1
    firm = FirmFactory()
    client.force_login(staff_of(firm))

    answer = send(client, firm, content, **told)

    assert list(errors(answer)) == [field]
    assert errors(answer)[field][0].startswith(says)
    assert not Document.objects.exists()
    assert not folder.exists()


def test_asks_for_a_text_or_a_file(client: Client) -> None:
    firm = FirmFactory()
    client.force_login(staff_of(firm))
    answer = client.post(ADD, {"firm": firm.pk, "title": "House rules"})
    assert errors(answer) == {"text": ["Write a text, or choose a file."]}


def test_a_text_stays_one(client: Client) -> None:
    document = DocumentFactory()
    client.force_login(staff_of(document.firm))
    answer = client.post(page_of(document), {"title": "T", "text": ""})
    assert errors(answer) == {"text": ["This field is required."]}


def test_a_file_is_never_replaced(client: Client, storage: Storage) -> None:
    document = store()
    client.force_login(staff_of(document.firm))
    other = SimpleUploadedFile("other.pdf", PDF + b"other")

    answer = client.post(page_of(document), {"title": "New", "text": "x", "file": other})

    assert answer.status_code == 302
    after = Document.objects.get()
    assert (after.title, after.text, after.sha256) == ("New", "", document.sha256)
    assert [one.key for one in storage.listing("")] == [document.storage_key]


def test_sends_nothing_to_another_firm(client: Client, folder: Any) -> None:
    theirs = FirmFactory()
    client.force_login(staff_of(FirmFactory()))
    answer = send(client, theirs)
    assert "firm" in errors(answer)
    assert not Document.objects.exists()
    assert not folder.exists()


def test_who_may_only_look_sends_nothing(client: Client, folder: Any) -> None:
    firm = FirmFactory()
    client.force_login(staff_of(firm, rights=("view",)))
    assert send(client, firm).status_code == 403
    assert not Document.objects.exists()


# ---- looking ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["uploading", "purge_pending", "deleted"])
def test_what_is_on_its_way_or_gone_is_only_looked_at(client: Client, state: str) -> None:
    blank = {"title": "", "file_name": ""} if state == "deleted" else {}
    document = FileFactory(state=state, **blank)
    client.force_login(staff_of(document.firm))

    page = client.get(page_of(document)).content.decode()

    assert 'name="_save"' not in page
    assert document.get_state_display() in page
    assert client.post(page_of(document), {"title": "New"}).status_code == 403
    assert client.get(LIST).status_code == 200


def test_nobody_deletes_a_row_and_leaves_its_file_behind(client: Client) -> None:
    document = FileFactory()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    where = reverse("admin:documents_document_delete", args=[document.pk])
    assert client.post(where, {"post": "yes"}).status_code == 403
    many = {"action": "delete_selected", "_selected_action": [document.pk], "post": "yes"}
    client.post(LIST, many)
    assert Document.objects.get() == document


# ---- downloading --------------------------------------------------------------------------


def test_leads_to_a_file_in_the_folder(client: Client, folder: Any) -> None:
    document = store()
    client.force_login(staff_of(document.firm))

    answer = client.get(download_of(document))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/files/")
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    file = Client().get(answer["Location"])  # the address is enough
    assert b"".join(file.streaming_content) == PDF
    assert file["Content-Disposition"] == 'attachment; filename="certificate.pdf"'
    assert file["X-Content-Type-Options"] == "nosniff"


def test_leads_to_a_file_in_the_bucket(client: Client, bucket: str, s3: S3Server) -> None:
    document = store()
    client.force_login(staff_of(document.firm))

    where = client.get(download_of(document))["Location"]

    assert where.startswith(f"http://{s3.host}/{bucket}/{document.storage_key}?")
    assert f"versionId={document.version_id}" in where
    assert "X-Amz-Expires=120" in where


def test_is_linked_from_list_and_page(client: Client, folder: Any) -> None:
    document = store()
    client.force_login(staff_of(document.firm))
    link = f'<a href="{download_of(document)}">certificate.pdf</a>'
    assert download_link(document) == link
    for where in (LIST, page_of(document)):
        assert link in client.get(where).content.decode()


def _of_another_firm(document: Document) -> User:
    return staff_of(FirmFactory())


def _without_rights(document: Document) -> User:
    return staff_of(document.firm, rights=())


def _who_left(document: Document) -> User:
    user = staff_of(document.firm)
    user.memberships.update(is_active=False)
    return user


@pytest.mark.parametrize(
    ("who", "status"), [(_of_another_firm, 404), (_without_rights, 403), (_who_left, 404)]
)
def test_leads_nobody_else_there(
    client: Client, folder: Any, who: Callable[[Document], User], status: int
) -> None:
    document = store()
    client.force_login(who(document))

    answer = client.get(download_of(document))

    assert answer.status_code == status
    assert "Location" not in answer


def test_asks_a_stranger_to_sign_in(client: Client, folder: Any) -> None:
    answer = client.get(download_of(store()))
    assert answer["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("document", [FileFactory, DocumentFactory], ids=["file", "text"])
def test_says_that_there_is_nothing_to_download(client: Client, document: Any) -> None:
    state = "uploading" if document is FileFactory else "available"
    document = document(state=state)
    client.force_login(staff_of(document.firm))

    answer = client.get(download_of(document), follow=True)

    assert answer.redirect_chain == [(page_of(document), 302)]
    assert said(answer) == ["There is no file to download."]


# ---- in the admin of another app ----------------------------------------------------------


@pytest.fixture
def elsewhere(client: Client, settings: Settings) -> Callable[..., Any]:
    settings.ROOT_URLCONF = "tests.documents.elsewhere"
    client.force_login(UserFactory(is_staff=True, is_superuser=True))

    def submit(lease: Lease, **told: Any) -> Any:
        where = f"/elsewhere/leasing/lease/{lease.pk}/change/"
        return client.post(where, {"due_day": 5} | told, follow=True)

    return submit


def test_an_upload_is_filed_by_another_admin_in_three_lines(
    elsewhere: Any, storage: Storage
) -> None:
    lease = LeaseFactory(agreement=DocumentFactory())

    elsewhere(lease, file=SimpleUploadedFile("lease.pdf", PDF))

    lease.refresh_from_db()
    document = lease.agreement
    assert lease.due_day == 5
    assert (document.firm, document.title, document.state) == (
        *(lease.firm, "lease.pdf", "available"),
    )
    assert b"".join(storage.read(document.storage_key)) == PDF


def test_a_form_without_a_file_leaves_the_old_one(elsewhere: Any, folder: Any) -> None:
    lease = LeaseFactory(agreement=DocumentFactory())
    before = lease.agreement_id

    elsewhere(lease)

    lease.refresh_from_db()
    assert (lease.due_day, lease.agreement_id) == (5, before)
    assert not folder.exists()


def test_a_form_whose_file_is_not_taken_says_so(elsewhere: Any, folder: Any) -> None:
    lease = LeaseFactory()

    answer = elsewhere(lease, file=SimpleUploadedFile("lease.pdf", b"MZ\x90\0"))

    assert errors(answer)["file"][0].startswith("Files of this kind are not taken")
    assert not Document.objects.exists()


def test_a_form_says_when_the_storage_did_not_take_its_file(
    elsewhere: Any, settings: Settings
) -> None:
    settings.STORAGE = bucket_at(nobody(), "files")
    lease = LeaseFactory()

    answer = elsewhere(lease, file=SimpleUploadedFile("lease.pdf", PDF))

    assert said(answer)[1].startswith("But its file was not stored, so please send it again")
    assert Document.objects.get().state == "uploading"


def test_a_form_that_cannot_be_saved_sends_nothing(
    elsewhere: Any, bucket: str, s3: S3Server
) -> None:
    with pytest.raises(RuntimeError):
        elsewhere(LeaseFactory(), due_day=13, file=SimpleUploadedFile("lease.pdf", PDF))

    assert s3.requests == []
    assert not Document.objects.exists()
