"""Raw copies and attachments …"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.documents.models import Document
from apps.integrations.storage import Storage, get_storage
from apps.mailbox.models import EmailAttachment, EmailConnection, EmailMessage
from tests.mailbox.corpus import attachment, multipart
from tests.mailbox.post import Post, letter, letters, summary, sync

pytestmark = [pytest.mark.django_db, pytest.mark.dovecot]

WITH_FILES = multipart(
    "With files",
    "Content-Type: text/plain\r\n\r\nSee attached.",
    attachment("../plan.pdf", content=b"%PDF-1.7 a plan"),
    attachment("page.html", content=b"<script>alert(1)</script>"),
)


def content(document: Document | None) -> bytes:
    assert document is not None
    assert document.state == "available"
    return b"".join(get_storage().read(document.storage_key))


def states() -> list[str]:
    return list(Document.objects.order_by("pk").values_list("state", flat=True))


def test_are_kept_as_they_came(post: Post, storage: Storage) -> None:
    post.deliver(WITH_FILES, b"\xff no letter")

    sync()

    message, noise = post.messages()
    assert content(message.raw) == WITH_FILES
    assert content(noise.raw).rstrip() == b"\xff no letter"
    assert not EmailMessage.objects.filter(files_due=True).exists()
    plan, page = EmailAttachment.objects.order_by("position")
    assert (plan.name, plan.size) == ("plan.pdf", 15)
    assert content(plan.document) == b"%PDF-1.7 a plan"
    assert content(page.document) == b"<script>alert(1)</script>"
    assert {plan.firm_id, page.firm_id} == {message.firm_id}


def test_are_documents_that_no_browser_shows(post: Post, folder: object) -> None:
    post.deliver(WITH_FILES)
    sync()
    told = Document.objects.order_by("pk").values_list("file_name", "content_type", "title")
    assert list(told) == [
        ("letter.eml", "message/rfc822", "Raw copy of message 1 of INBOX"),
        ("plan.pdf", "application/octet-stream", "plan.pdf"),
        ("page.html", "application/octet-stream", "page.html"),
    ]
    for document in Document.objects.all():
        assert document.storage_key.startswith(f"firms/{post.connection.firm_id}/")
        assert document.sha256 == sha256(content(document)).hexdigest()


def test_are_neither_announced_nor_sent_in_a_dry_run(
    post: Post, settings: Settings, folder: Path
) -> None:
    post.deliver(WITH_FILES)
    sync(dry_run=True)
    assert not Document.objects.exists()
    right = down(settings)
    sync()
    settings.STORAGE = right
    sync(dry_run=True)  # of what an earlier run could not send
    assert set(states()) == {"uploading"}
    assert not [path for path in folder.rglob("*") if path.is_file()]


def down(settings: Settings) -> Any:
    """Let nothing be stored, and return what settings were right."""
    right = settings.STORAGE
    settings.STORAGE = {"vendor": "folder", "folder": "/proc/nowhere"}
    return right


def test_of_a_letter_that_has_the_same_file_twice_are_both_whole(
    post: Post, folder: object
) -> None:
    same = [attachment(f"logo-{n}.png", content=b"logo" * 100_000) for n in range(8)]
    post.deliver(multipart("Logos", *same))
    sync()
    for file in EmailAttachment.objects.all():
        assert content(file.document) == b"logo" * 100_000


def test_follow_when_the_storage_was_down(
    post: Post, settings: Settings, folder: object
) -> None:
    right = down(settings)
    post.deliver(WITH_FILES, *letters(30))

    out = sync()

    assert "  ✗ Support Inbox: The folder could not store the file (ENOENT).\n" in out
    assert summary(out)["New messages"] == "31"
    assert summary(out)["Errors"] == "1"
    assert len(post.messages()) == 31
    assert set(states()) == {"uploading"}
    settings.STORAGE = right

    assert summary(sync())["Errors"] == "0"

    assert set(states()) == {"available"}
    assert content(post.messages()[0].raw) == WITH_FILES
    assert Document.objects.count() == 33
    assert not EmailMessage.objects.filter(files_due=True).exists()


def test_are_missed_once_when_a_letter_is_gone(
    post: Post, settings: Settings, folder: object
) -> None:
    right = down(settings)
    post.deliver(WITH_FILES, *letters(1))
    sync()
    settings.STORAGE = right
    with post.server.client(post.user) as client:
        client.select_folder("INBOX")
        client.delete_messages([1])
        client.expunge()

    assert summary(sync())["Errors"] == "0"

    message, other = post.messages()
    assert (message.raw, message.files_due) == (None, False)
    assert message.problem.startswith("its raw copy could not be kept")
    assert message.text == "See attached."
    assert [one.document for one in message.attachments.all()] == [None, None]
    assert content(other.raw) == letters(1)[0]
    assert sorted(states()) == ["available", "purge_pending", "purge_pending", "purge_pending"]


def test_are_found_again_when_all_numbers_are_new(
    post: Post, settings: Settings, folder: object
) -> None:
    right = down(settings)
    post.deliver(letter("Other", message_id="0@x"), WITH_FILES)
    sync()
    settings.STORAGE = right
    post.server.renumber(post.user)

    for _ in range(2):
        sync()

    assert content(post.messages()[1].raw) == WITH_FILES
    assert set(states()) == {"available"}
    assert EmailMessage.objects.count() == 2


def test_of_the_same_letter_in_two_mailboxes_are_kept_for_both(
    post: Post, folder: object
) -> None:
    other = Post.open(post.server, post.connection.firm, "Billing Inbox")
    for one in (post, other):
        one.deliver(WITH_FILES)
    sync()
    assert EmailConnection.objects.count() == 2
    assert Document.objects.count() == 6
    assert set(states()) == {"available"}
