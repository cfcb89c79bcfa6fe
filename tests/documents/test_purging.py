"""Documents go for good in two phases: marked in a transaction, then removed (spec D6)."""

from collections.abc import Sequence
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.documents import services
from apps.documents.models import Document
from apps.documents.services import Purged
from apps.firms.models import Firm
from apps.integrations.storage import Storage, StorageDown
from tests.documents.asking import ask
from tests.documents.filing import NOW, sent, store
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FileFactory,
    FirmFactory,
    UserFactory,
)
from tests.servers.s3 import S3Server, bucket_at, nobody

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=7)


def mark(*documents: Document, actor: Any = None) -> int:
    with transaction.atomic():
        return services.mark_for_purge(
            documents=documents, actor=actor, reason="Retention", now=NOW
        )


def finish(*, firm: Firm | None = None, limit: int = 1_000, now: Any = LATER) -> Purged:
    return services.finish_purges(firm=firm, limit=limit, now=now)


def states(documents: Sequence[Document]) -> list[str]:
    found = dict(Document.objects.values_list("pk", "state"))
    return [found[document.pk] for document in documents]


# ---- the decision -------------------------------------------------------------------------


def test_marks_what_is_there_and_what_is_on_its_way() -> None:
    actor = UserFactory()
    documents = [DocumentFactory(), FileFactory(), FileFactory(state="uploading")]
    neighbour = FileFactory()

    assert mark(*documents, actor=actor) == 3

    assert states(documents) == ["purge_pending"] * 3
    assert states([neighbour]) == ["available"]
    events = AuditEvent.objects.order_by("pk")
    assert [(e.action, e.actor, e.reason, e.object_id) for e in events] == [
        ("document_purged", actor, "Retention", str(document.pk)) for document in documents
    ]
    assert Document.objects.exclude(title="").count() == 4


def test_marks_nothing_twice() -> None:
    document = FileFactory()
    gone = FileFactory(state="deleted", title="", file_name="")

    assert mark(document, gone) == 1
    assert mark(document, gone) == 0

    assert states([document, gone]) == ["purge_pending", "deleted"]
    assert AuditEvent.objects.count() == 1


def test_what_is_marked_can_no_longer_be_used(folder: Any) -> None:
    signature, _ = ask()
    file = store()
    mark(signature.document, file)
    signature.document.refresh_from_db()
    file.refresh_from_db()

    with pytest.raises(services.DocumentChanged):
        services.sign(request=signature, name="Ada Lovelace", now=NOW)
    with pytest.raises(services.DocumentChanged):
        ask(document=signature.document, signer=ContactFactory(firm=signature.firm))
    with pytest.raises(Problem):
        services.link_to(document=file)
    assert not Document.objects.available().exists()


# ---- the removal --------------------------------------------------------------------------


def test_removes_the_file_and_blanks_the_row(storage: Storage) -> None:
    owner = ContactFactory()
    document, spared = (
        store(sent(name="Ada Lovelace.pdf"), firm=owner.firm, owner=owner) for _ in range(2)
    )
    mark(document)

    assert finish() == Purged(deleted=1, left=0)

    gone = Document.objects.get(pk=document.pk)
    assert (gone.state, gone.title, gone.text, gone.file_name, gone.owner) == (
        *("deleted", "", "", "", None),
    )
    assert (gone.bucket, gone.storage_key) == (document.bucket, document.storage_key)
    assert gone.updated_at == LATER
    assert str(gone) == f"Document {gone.pk}"
    assert [one.key for one in storage.listing("")] == [spared.storage_key]
    event = AuditEvent.objects.get(action="document_deleted")
    assert (event.actor_label, event.object_id, event.changes) == (
        *("system", str(document.pk), {}),
    )


def test_removes_every_version(bucket: str, s3: S3Server) -> None:
    document = store()
    for _ in range(3):
        s3.client.put_object(Bucket=bucket, Key=document.storage_key, Body=b"again")
    s3.client.delete_object(Bucket=bucket, Key=document.storage_key)
    mark(document)

    assert finish().deleted == 1

    assert s3.versions(bucket) == []


def test_removes_what_an_upload_that_never_ended_has_left(bucket: str, s3: S3Server) -> None:
    s3.lose_next(times=3)
    with pytest.raises(StorageDown):
        store()
    mark(Document.objects.get())

    assert finish().deleted == 1

    assert s3.versions(bucket) == []


def test_blanks_a_text_without_asking_any_storage(settings: Settings) -> None:
    settings.STORAGE = bucket_at(nobody(), "files")
    request, _ = ask()
    services.sign(request=request, name="Ada Lovelace", now=NOW)
    mark(request.document)

    assert finish() == Purged(deleted=1, left=0)

    request.refresh_from_db()
    gone = request.document
    assert (gone.state, gone.text, gone.title) == ("deleted", "", "")
    assert request.signed_sha256 == gone.sha256  # still proves what was signed


def test_again_does_nothing(storage: Storage) -> None:
    mark(store(), store())
    assert finish() == Purged(deleted=2, left=0)
    before = list(Document.objects.order_by("pk").values())

    assert finish() == Purged(deleted=0, left=0)

    assert list(Document.objects.order_by("pk").values()) == before
    assert AuditEvent.objects.filter(action="document_deleted").count() == 2


def test_finishes_what_died_between_removing_and_writing_it_down(storage: Storage) -> None:
    document = store()
    mark(document)
    storage.remove(document.storage_key)

    assert finish() == Purged(deleted=1, left=0)


def test_of_one_firm_leaves_the_neighbour_alone(storage: Storage) -> None:
    ours, theirs = store(), store()
    mark(ours, theirs)

    assert finish(firm=ours.firm) == Purged(deleted=1, left=0)

    assert states([ours, theirs]) == ["deleted", "purge_pending"]
    assert storage.look(theirs.storage_key)


def test_does_no_more_than_it_is_allowed_to(folder: Any) -> None:
    documents = [store() for _ in range(5)]
    mark(*documents)

    assert finish(limit=2).deleted == 2
    assert states(documents) == [*["deleted"] * 2, *["purge_pending"] * 3]
    assert finish(limit=2).deleted == 2
    assert finish(limit=2).deleted == 1


# ---- what goes wrong ----------------------------------------------------------------------


def test_leaves_everything_for_the_next_run_when_the_storage_is_down(
    bucket: str, s3: S3Server, settings: Settings
) -> None:
    documents = [store() for _ in range(3)]
    mark(*documents)
    right, settings.STORAGE = settings.STORAGE, bucket_at(nobody(), bucket)

    assert finish() == Purged(
        deleted=0,
        left=3,
        problem="The storage gave no usable answer (EndpointConnectionError).",
    )
    assert states(documents) == ["purge_pending"] * 3
    assert Document.objects.exclude(title="").count() == 3

    settings.STORAGE = right
    assert finish() == Purged(deleted=3, left=0)
    assert s3.versions(bucket) == []


def test_asks_a_storage_that_is_down_only_a_few_times(
    bucket: str, s3: S3Server, settings: Settings
) -> None:
    settings.CHARGES_AT_ONCE = 1
    documents = FileFactory.create_batch(20, bucket=bucket, state="purge_pending")
    texts = DocumentFactory.create_batch(2, state="purge_pending")
    s3.refuse_next(503, "SlowDown", times=100)

    assert finish() == Purged(
        deleted=2,
        left=20,
        problem="The storage could not remove the file (503, SlowDown).",
    )
    assert len(s3.requests) == 3 * 3  # three files, three attempts each
    assert states(texts) == ["deleted"] * 2
    assert set(states(documents)) == {"purge_pending"}


def test_one_file_that_may_not_go_spares_the_rest_and_does_not_block_them(
    bucket: str, s3: S3Server, settings: Settings
) -> None:
    settings.CHARGES_AT_ONCE = 1
    documents = [store() for _ in range(3)]
    mark(*documents)
    s3.refuse_next(403, "AccessDenied")

    assert finish(limit=2) == Purged(
        deleted=1,
        left=1,
        problem="The storage refused to remove the file (403, AccessDenied).",
    )
    assert sorted(states(documents)) == ["deleted", "purge_pending", "purge_pending"]

    # What failed has gone to the end of the queue.
    assert finish(limit=1).deleted == 1
    assert states(documents[2:]) == ["deleted"]


def test_leaves_a_file_of_another_bucket_alone(folder: Any) -> None:
    former, ours = FileFactory(bucket="former-bucket"), store()
    mark(former, ours)

    assert finish() == Purged(
        deleted=1, left=1, problem="A file is not in the storage that STORAGE_URL names."
    )
    assert states([former, ours]) == ["purge_pending", "deleted"]


@pytest.mark.django_db(transaction=True)
def test_removes_nothing_inside_a_transaction(bucket: str, s3: S3Server) -> None:
    mark(store())
    s3.requests.clear()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        finish()
    assert s3.requests == []


# ---- many, and at once --------------------------------------------------------------------


def test_asks_no_more_of_the_database_for_more_documents(folder: Any) -> None:
    firm = FirmFactory()

    def queries(documents: int) -> int:
        mark(*[store(firm=firm) for _ in range(documents)])
        with CaptureQueriesContext(connection) as captured:
            assert finish().deleted == documents
        return len(captured)

    assert queries(2) == queries(20)


@pytest.mark.django_db(transaction=True)
def test_two_runs_bury_each_document_once(folder: Any) -> None:
    mark(*[store() for _ in range(30)])
    barrier, done = Barrier(2), list[Purged]()

    def run() -> None:
        try:
            barrier.wait()
            done.append(finish())
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(purged.deleted for purged in done) == 30
    assert [purged.left for purged in done] == [0, 0]
    assert AuditEvent.objects.filter(action="document_deleted").count() == 30
