"""Storing a file: written down, sent, written down again (spec A5.4)."""

import re
from contextlib import closing
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.documents import services
from apps.documents.models import Document
from apps.integrations.storage import Storage, StorageDown, StorageRefused
from tests.documents.asking import ask
from tests.documents.filing import NOW, PDF, sent, store
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FileFactory,
    FirmFactory,
    UserFactory,
)
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db


# ---- it does it ---------------------------------------------------------------------------


def test_keeps_the_file_and_says_what_it_is(storage: Storage) -> None:
    owner = ContactFactory()
    actor = UserFactory(username="alice")

    document = store(sent(name="W-9.pdf"), firm=owner.firm, owner=owner, actor=actor)

    kept = storage.look(document.storage_key)
    document = Document.objects.get()
    assert (document.firm, document.owner, document.title, document.text) == (
        *(owner.firm, owner, "Certificate of insurance", ""),
    )
    assert (document.state, document.file_name, document.content_type) == (
        *("available", "W-9.pdf", "application/pdf"),
    )
    assert (document.size_bytes, document.sha256) == (len(PDF), kept.sha256)
    assert (document.bucket, document.version_id, document.etag) == (
        *(storage.bucket, kept.version_id, kept.etag),
    )
    assert (document.created_at, document.retention_anchor_on) == (NOW, None)
    assert b"".join(storage.read(document.storage_key)) == PDF
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.firm_id, event.object_id) == (
        *("file_stored", actor, owner.firm_id, str(document.pk)),
    )
    assert event.changes == {"size": len(PDF), "sha256": kept.sha256}


@pytest.mark.parametrize("name", ["Ada Lovelace.pdf", "../../firms/2/x.pdf", "a" * 999, ""])
def test_keeps_it_under_a_key_that_says_only_whose_it_is(folder: Any, name: str) -> None:
    document = store(sent(name=name))
    key = (
        rf"firms/{document.firm_id}/[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}/file\.pdf"
    )
    assert re.fullmatch(key, document.storage_key)


def test_keeps_the_same_file_of_two_firms_apart(storage: Storage) -> None:
    ours, theirs = store(), store()
    for document in (ours, theirs):
        listed = storage.listing(f"firms/{document.firm_id}/")
        assert [one.key for one in listed] == [document.storage_key]


# ---- what goes wrong ----------------------------------------------------------------------


def test_that_finds_no_storage_is_no_document_yet(settings: Settings, s3: S3Server) -> None:
    settings.STORAGE_TIMEOUT = 0.3
    settings.STORAGE = bucket_at(nobody(), "files")
    firm = FirmFactory()
    with pytest.raises(StorageDown):
        store(firm=firm)

    document = Document.objects.get()
    assert (document.state, document.etag) == ("uploading", "")
    assert not Document.objects.available().exists()
    assert not AuditEvent.objects.exists()
    with pytest.raises(Problem, match=r"^There is no file to download\.$"):
        services.link_to(document=document)

    settings.STORAGE = bucket_at(s3.host, s3.make_bucket())
    again = store(firm=firm)
    assert again.pk != document.pk
    assert set(Document.objects.values_list("state", flat=True)) == {"uploading", "available"}


def test_that_is_refused_is_no_document_yet(bucket: str, s3: S3Server) -> None:
    s3.refuse_next(403, "AccessDenied")
    with pytest.raises(StorageRefused):
        store()
    assert Document.objects.get().state == "uploading"
    assert s3.versions(bucket) == []


def test_whose_answer_is_lost_is_no_document_yet(bucket: str, s3: S3Server) -> None:
    s3.lose_next(times=3)
    with pytest.raises(StorageDown):
        store()
    document = Document.objects.get()
    assert document.state == "uploading"
    assert {key for key, _ in s3.versions(bucket)} == {document.storage_key}


@pytest.mark.django_db(transaction=True)
def test_sends_nothing_inside_a_transaction(bucket: str, s3: S3Server) -> None:
    firm = FirmFactory()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        store(firm=firm)
    assert s3.requests == []
    assert not Document.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_takes_back_what_was_sent_for_a_document_that_was_deleted_meanwhile(
    bucket: str, s3: S3Server
) -> None:
    def delete() -> None:
        with closing(connections["default"]), transaction.atomic():
            documents = list(Document.objects.all())
            services.mark_for_purge(
                documents=documents, actor=None, reason="Erasure 7", now=NOW
            )

    s3.before_next(delete)
    with pytest.raises(Problem, match="deleted while its file was on the way"):
        store()

    assert Document.objects.get().state == "purge_pending"
    assert s3.versions(bucket) == []
    assert not AuditEvent.objects.filter(action="file_stored").exists()


def test_sends_nothing_twice(bucket: str, s3: S3Server) -> None:
    document, upload = store(), sent()
    s3.requests.clear()
    with pytest.raises(Problem, match=r"^This file is not expected any more\.$"):
        services.finish_upload(document=document, upload=upload, actor=None, now=NOW)
    assert s3.requests == []


def test_of_another_firms_contact_is_refused(folder: Any) -> None:
    with pytest.raises(Problem, match=r"^The owner belongs to another firm\.$"):
        store(owner=ContactFactory())
    assert not Document.objects.exists()
    assert not folder.exists()


# ---- what the database says ---------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "and a text"},
        {"bucket": ""},
        {"content_type": ""},
        {"size_bytes": None},
        {"storage_key": ""},
        {"state": "deleted"},
    ],
)
def test_a_row_is_a_whole_file_or_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        FileFactory(**wrong)


@pytest.mark.parametrize("wrong", [{"state": "uploading"}, {"etag": "x"}, {"state": "deleted"}])
def test_a_text_has_nothing_of_a_file(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        DocumentFactory(**wrong)


def test_a_key_is_used_once_in_a_bucket() -> None:
    first = FileFactory()
    FileFactory(bucket="another", storage_key=first.storage_key)
    with pytest.raises(IntegrityError), transaction.atomic():
        FileFactory(storage_key=first.storage_key)


# ---- afterwards ---------------------------------------------------------------------------


def test_what_people_say_about_a_file_can_be_changed(folder: Any) -> None:
    document = store()
    before = document.sha256
    document.title = "Certificate 2025"
    services.save_document(document=document)
    document.refresh_from_db()
    assert (document.title, document.sha256) == ("Certificate 2025", before)


def test_a_file_cannot_be_signed() -> None:
    with pytest.raises(Problem, match=r"^Only a text can be signed here, not a file\.$"):
        ask(document=FileFactory())


@pytest.mark.parametrize("state", ["uploading", "purge_pending"])
def test_only_what_is_available_can_be_downloaded(state: str) -> None:
    with pytest.raises(Problem, match=r"^There is no file to download\.$"):
        services.link_to(document=FileFactory(state=state))


def test_a_text_cannot_be_downloaded() -> None:
    with pytest.raises(Problem, match=r"^There is no file to download\.$"):
        services.link_to(document=DocumentFactory())


def test_a_file_in_another_bucket_is_not_looked_for_in_this_one(folder: Any) -> None:
    with pytest.raises(Problem, match="not in the storage that STORAGE_URL names"):
        services.link_to(document=FileFactory(bucket="former-bucket"))
