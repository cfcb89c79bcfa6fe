"""The page behind an upload link."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.personal import Cutoff
from apps.core.problems import Problem
from apps.documents import services
from apps.documents.models import (
    Document,
    FileRequest,
    FileRequestItem,
    ReceivedFile,
    UploadLink,
)
from apps.documents.retention import EXPIRIES
from apps.firms.models import Firm, User
from apps.integrations.storage import get_storage
from apps.notifications.models import Notification
from tests.documents.filing import PDF, sent
from tests.documents.receiving import (
    a_file,
    heading,
    listed,
    page,
    problems,
    send,
    zip_bomb,
)
from tests.documents.requesting import address, after, ask, noon
from tests.factories import ContactFactory, FirmFactory, MembershipFactory
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db

NOW = noon(after(0))


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def strict_client() -> Client:
    """Posts as a browser under no-referrer does: no CSRF cookie, ``Origin: null``."""
    return Client(enforce_csrf_checks=True, headers={"Origin": "null"})


@pytest.fixture
def ada(db: None) -> Contact:
    made: Contact = ContactFactory(
        firm=FirmFactory(name="Acme Consulting"), display_name="Ada Lovelace"
    )
    return made


@pytest.fixture
def clerk(ada: Contact) -> User:
    made: User = MembershipFactory(firm=ada.firm).user
    return made


@pytest.fixture
def item(ada: Contact, clerk: User, folder: Path) -> FileRequestItem:
    """What Ada is asked for, with a link that works."""
    return ask(ada, "Bank statements", "Receipts", requested_by=clerk).items.get(
        title="Bank statements"
    )


def stored() -> list[str]:
    return [one.key for one in get_storage().listing("")]


# ---- it says what is asked, and takes it ----------------------------------------------------


def test_says_what_is_asked_by_when_and_what_has_come(
    client: Client, item: FileRequestItem
) -> None:
    ask(
        item.request.contact, "Policy", title="Insurance", due_date=after(9), note="All <pages>"
    )
    services.receive_file(item=item, upload=sent(name="May.pdf"), now=NOW)
    ask(ContactFactory(firm=item.firm), "Not for Ada")

    link = UploadLink.objects.filter(contact=item.request.contact).latest("pk")
    response = client.get(address(link))

    assert (response.status_code, heading(response)) == (200, "Send your files")
    text = " ".join(page(response).get_text(" ").split())
    titles = [title.get_text() for title in page(response)("h2")]
    assert titles == ["Tax return 2024", "Insurance"]
    assert [label.get_text() for label in page(response)("label")] == [
        "Bank statements", "Receipts", "Policy"
    ]  # fmt: skip
    assert "Please send by 10 June 2025" in text
    assert "May.pdf Received on 1 June, 12:00, 30 bytes" in text
    assert text.count("Nothing has come yet.") == 2
    assert "At most" not in text
    assert "of at most 25 MiB each: PDF, JPEG" in text
    assert "works until 8 June 2025, 12:00 (America/New_York)" in text
    assert "Not for Ada" not in text
    assert "All <pages>" in text


def test_stores_several_files_and_says_so(
    strict_client: Client, item: FileRequestItem, clerk: User
) -> None:
    files = a_file("May.pdf"), a_file("June.pdf", PDF + b"%")

    response = send(strict_client, address(), *files, item=item)

    assert (response.status_code, response["Location"]) == (302, f"{address()}?stored=2")
    after_it = strict_client.get(response["Location"])
    assert "2 files stored. You can send the rest now or later." in after_it.content.decode()
    assert listed(after_it) == ["May.pdf", "June.pdf"]
    first = ReceivedFile.objects.earliest("pk")
    document = first.document
    assert (document.state, document.owner, document.title, document.firm) == (
        "available", item.request.contact, "Bank statements", item.firm
    )  # fmt: skip
    assert document.content_type == "application/pdf"
    assert document.storage_key.startswith(f"firms/{item.firm_id}/")
    item.request.refresh_from_db()
    assert item.request.status == "partially_fulfilled"
    came = AuditEvent.objects.filter(action="file_received").earliest("pk")
    assert (came.actor_label, came.object_id) == (
        f"contact:{item.request.contact_id}", str(first.pk)
    )  # fmt: skip
    told = Notification.objects.filter(type="files_received")
    assert [one.recipient_user for one in told] == [clerk, clerk]


def test_thanks_when_everything_has_come(client: Client, item: FileRequestItem) -> None:
    other = FileRequestItem.objects.get(title="Receipts")
    response = client.post(
        address(),
        {f"item-{item.pk}": a_file(), f"item-{other.pk}": a_file(content=PDF + b"%")},
    )
    response = client.get(response["Location"])
    assert heading(response) == "Thank you, everything has come"
    request = FileRequest.objects.get()
    assert (request.status, request.fulfilled_at, request.next_reminder_on) == (
        "fulfilled", NOW, None
    )  # fmt: skip
    # Another page may follow.
    assert send(client, address(), a_file(content=PDF + b"%%"), item=item).status_code == 302
    assert ReceivedFile.objects.count() == 3


def test_has_once_what_was_sent_twice(client: Client, item: FileRequestItem) -> None:
    for _ in range(2):
        assert send(client, address(), a_file(), item=item).status_code == 302
    assert ReceivedFile.objects.count() == Document.objects.count() == len(stored()) == 1


def test_keeps_what_can_be_taken_beside_what_cannot(
    client: Client, item: FileRequestItem
) -> None:
    files = a_file("bad.exe", b"MZ\x90\0\x03"), a_file("good.pdf"), a_file("empty.pdf", b"")

    response = send(client, address(), *files, item=item)

    assert response.status_code == 422
    assert listed(response) == ["good.pdf"]
    [bad, empty] = problems(response)
    assert bad.startswith("“bad.exe”: Files of this kind are not taken; these are: PDF, JPEG")
    assert empty == "“empty.pdf”: The file is empty."
    assert "Not everything was stored" in page(response).get_text()


# ---- hostile files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "kept_as", "content_type"),
    [
        ("../../etc/passwd", PDF, "passwd.pdf", "application/pdf"),
        ("C:\\Windows\\x.pdf", PDF, "x.pdf", "application/pdf"),
        ("invoice\u202efdp.exe", PDF, "invoicefdp.exe.pdf", "application/pdf"),
        ("<script>alert(1)</script>.pdf", PDF, "script_.pdf", "application/pdf"),
        ("a" * 400 + ".pdf", PDF, "a" * 116 + ".pdf", "application/pdf"),
        ("page.pdf", b"<html><script>alert(1)</script>", "page.pdf.txt", "text/plain"),
        ("logo.svg", b"<svg onload='alert(1)'/>", "logo.svg.txt", "text/plain"),
    ],
    ids=["path", "drive", "backwards", "script", "long", "html", "svg"],
)
def test_takes_a_file_for_what_it_is_under_a_name_that_is_fit(
    client: Client,
    item: FileRequestItem,
    name: str,
    content: bytes,
    kept_as: str,
    content_type: str,
) -> None:
    response = client.get(send(client, address(), a_file(name, content), item=item)["Location"])
    document = Document.objects.get()
    assert (document.file_name, document.content_type) == (kept_as, content_type)
    assert stored() == [document.storage_key]
    assert "<script>" not in response.content.decode()
    assert ".." not in document.storage_key


def test_never_unpacks_what_is_packed(client: Client, item: FileRequestItem) -> None:
    bomb = zip_bomb()
    assert send(client, address(), a_file("bomb.docx", bomb), item=item).status_code == 302
    assert Document.objects.get().size_bytes == len(bomb) < 100_000


def test_takes_nothing_too_large(
    client: Client, item: FileRequestItem, settings: Settings
) -> None:
    settings.UPLOAD_MAX_MIB = 1
    response = send(client, address(), a_file(content=PDF + b" " * 1_048_576), item=item)
    assert problems(response) == ["“statement.pdf”: A file may have at most 1 MiB."]
    assert not Document.objects.exists()


def test_takes_no_more_files_than_anybody_has_chosen(
    client: Client, item: FileRequestItem, settings: Settings
) -> None:
    response = send(client, address(), *(a_file() for _ in range(11)), item=item)
    assert (response.status_code, heading(response)) == (413, "That was too much at once")
    huge = client.post(address(), CONTENT_LENGTH=str(10**12))
    assert huge.status_code == 413
    assert not Document.objects.exists()


def test_takes_no_more_than_so_many_for_one_item(client: Client, item: FileRequestItem) -> None:
    for number in range(20):
        services.receive_file(item=item, upload=sent(PDF + b"%" * number), now=NOW)
    response = send(client, address(), a_file(content=PDF + b"%" * 20), item=item)
    assert problems(response) == [
        "“statement.pdf”: At most 20 files can be sent for “Bank statements”."
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nnothing that ends",
        b"",
        b'--x\r\nContent-Disposition: form-data; name="\0"\r\n\r\n',
    ],
)
def test_makes_nothing_of_a_form_that_is_none(
    client: Client, item: FileRequestItem, body: bytes
) -> None:
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain"):
        response = client.post(address(), body, content_type=kind)
        assert response.status_code in {400, 422}
    assert not Document.objects.exists()


# ---- whose link it is -----------------------------------------------------------------------


def test_takes_files_for_its_own_contact_and_firm_only(
    client: Client, item: FileRequestItem
) -> None:
    mine = address()
    colleague = ask(ContactFactory(firm=item.firm)).items.get()
    stranger = ask(ContactFactory(firm=FirmFactory())).items.get()
    for other in (colleague, stranger):
        send(client, mine, a_file(), item=other)
    assert not ReceivedFile.objects.exists()
    assert stored() == []


@pytest.mark.parametrize("token", ["x", "A" * 43, "é" * 10, "a" * 2000])
def test_an_unknown_link_leads_nowhere(client: Client, token: str) -> None:
    for response in (client.get(f"/upload/{token}/"), client.post(f"/upload/{token}/")):
        assert (response.status_code, heading(response)) == (404, "This link leads nowhere")


def test_neither_row_nor_hash_open_a_link(client: Client, item: FileRequestItem) -> None:
    link = UploadLink.objects.get()
    for known in (link.pk, link.token_hash, link.token_nonce):
        assert client.get(f"/upload/{known}/").status_code == 404


def test_works_for_a_week_and_then_sends_another(
    client: Client, item: FileRequestItem, clock: Any
) -> None:
    where = address()
    clock.move_to(NOW + timedelta(days=7) - timedelta(seconds=1))
    assert client.get(where).status_code == 200
    clock.shift(1)
    for response in (client.get(where), send(client, where, a_file(), item=item)):
        assert "Bank statements" not in response.content.decode()
    assert client.get(where).status_code == 410
    assert not Document.objects.exists()
    client.post(where)  # twice on a day: one message
    fresh = Notification.objects.get(type="upload_link")
    assert fresh.recipient_contact == item.request.contact
    assert client.get(address()).status_code == 200


@pytest.mark.parametrize("how", ["suspended", "erased", "cancelled"])
def test_takes_nothing_where_nothing_may_come(
    client: Client, item: FileRequestItem, how: str
) -> None:
    if how == "suspended":
        Firm.objects.update(status="suspended")
    elif how == "erased":
        Contact.objects.update(erased_at=NOW)
    else:
        services.cancel_request(request=item.request, actor=None, reason="done", now=NOW)
    response = send(client, address(), a_file(), item=item)
    assert response.status_code == {"suspended": 410, "erased": 404, "cancelled": 422}[how]
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("state", "status"), [("open", 200), ("old", 410), ("unknown", 404), ("put", 405)]
)
def test_every_answer_is_discreet(
    client: Client, item: FileRequestItem, clock: Any, state: str, status: int
) -> None:
    where = "/upload/x/" if state == "unknown" else address()
    if state == "old":
        clock.shift(timedelta(days=8))
    response = client.put(where) if state == "put" else client.get(where)
    assert response.status_code == status
    assert response["Cache-Control"] == "no-store"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'self'"
    )
    assert not response.cookies


def test_slows_down_who_asks_or_sends_too_often(client: Client, item: FileRequestItem) -> None:
    for number in range(20):  # by this link, from anywhere
        client.post(address(), REMOTE_ADDR=f"192.0.2.{number}")
    limited = send(client, address(), a_file(), item=item)
    assert (limited.status_code, limited["Retry-After"]) == (429, "60")
    assert client.get(address()).status_code == 200
    for _ in range(60):
        client.get("/upload/x/")
    assert client.get(address()).status_code == 429


# ---- when the storage is in trouble ---------------------------------------------------------


def test_says_clearly_that_the_storage_is_down_and_leaves_nothing_half_done(
    client: Client, item: FileRequestItem, settings: Settings, folder: Path
) -> None:
    place, settings.STORAGE_TIMEOUT = settings.STORAGE, 0.2
    settings.STORAGE = bucket_at(nobody(), "files")

    response = send(
        client, address(), a_file("May.pdf"), a_file("June.pdf", PDF + b"%"), item=item
    )

    assert response.status_code == 503
    assert problems(response) == [
        "“May.pdf” could not be stored just now, and nothing of it was kept. Please send it "
        "again in a few minutes.",
        "“June.pdf” was not stored. Please send it again later.",
    ]
    assert not ReceivedFile.objects.exists()
    assert Document.objects.get().state == "purge_pending"
    assert FileRequest.objects.get().status == "pending"
    assert not Notification.objects.filter(type="files_received").exists()
    settings.STORAGE = place
    assert send(client, address(), a_file("May.pdf"), item=item).status_code == 302
    assert listed(client.get(address())) == ["May.pdf"]


def test_a_file_that_the_bucket_kept_without_saying_so_is_removed(
    client: Client, ada: Contact, bucket: str, s3: S3Server
) -> None:
    item = ask(ada).items.get()
    s3.lose_next(times=3)  # every attempt
    assert send(client, address(), a_file(), item=item).status_code == 503
    assert len(stored()) == 1
    services.finish_purges(firm=ada.firm, limit=10, now=NOW)
    assert stored() == []


def test_sends_again_what_died_on_its_way(client: Client, item: FileRequestItem) -> None:
    dying = services.receive_file(item=item, upload=sent(), now=NOW)
    Document.objects.filter(pk=dying.document_id).update(state="uploading")
    assert listed(client.get(address())) == []
    assert send(client, address(), a_file(), item=item).status_code == 302
    assert listed(client.get(address())) == ["statement.pdf"]
    old = Document.objects.get(pk=dying.document_id)
    assert old.state == "purge_pending"


# ---- accepted, refused ----------------------------------------------------------------------


def test_shows_what_was_accepted_and_refused(
    client: Client, item: FileRequestItem, clerk: User
) -> None:
    good = services.receive_file(item=item, upload=sent(name="May.pdf"), now=NOW)
    bad = services.receive_file(item=item, upload=sent(PDF + b"%", "June.pdf"), now=NOW)
    services.accept_file(file=good, actor=clerk, now=NOW)
    services.refuse_file(file=bad, actor=clerk, reason="Page 2 is missing", clock=Clock(NOW))
    text = page(client.get(address())).get_text(" ", strip=True)
    assert "May.pdf Accepted, 30\xa0bytes" in text
    assert "June.pdf Not accepted: Page 2 is missing, 31\xa0bytes" in text
    with pytest.raises(Problem, match=r"^“June.pdf” is refused\.$"):
        services.accept_file(file=bad, actor=clerk, now=NOW)


def test_keeps_files_of_open_requests_whatever_the_policy_says(item: FileRequestItem) -> None:
    services.receive_file(item=item, upload=sent(), now=NOW)
    Document.objects.update(created_at=NOW - timedelta(days=9_000))
    [expiry] = EXPIRIES
    cutoff = Cutoff.of(Clock(NOW), "UTC", 365)
    assert not expiry.due(item.firm_id, cutoff).exists()
    services.cancel_request(request=item.request, actor=None, reason="done", now=NOW)
    assert expiry.due(item.firm_id, cutoff).count() == 1
