"""Files come in by a link, and are accepted or refused.

A file takes the three steps of every upload (spec A5.4). Which item it is for is written down
in the first, so that none can arrive and belong to nothing; until the last it counts for
nothing, and when the storage does not take it nothing of it is left.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Prefetch, QuerySet

from apps.audit.services import event, record
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.documents.messages import FILE_REFUSED, FILES_RECEIVED
from apps.documents.models import (
    MOST_FILES,
    Document,
    FileRequest,
    FileRequestItem,
    ReceivedFile,
    UploadLink,
)
from apps.documents.services.filing import begin_upload, finish_upload
from apps.documents.services.purging import mark_for_purge
from apps.documents.services.requests.asking import draft_to_contact, drafts_to_staff
from apps.documents.services.requests.links import make_links
from apps.documents.services.requests.steps import Cadence
from apps.documents.uploads import Upload
from apps.firms.models import User
from apps.notifications.services import notify

State = ReceivedFile.State
Status = FileRequest.Status


class ThereAlready(Problem):
    """The very same file has come before: who pressed twice has sent once."""


def requests_behind(link: UploadLink) -> list[FileRequest]:
    """Return what a link's page shows: what is open, and what has come since the link was made.

    With their ``items`` and the ``files`` of those in order, without any on its way.
    """
    arrived = (
        ReceivedFile.objects.filter(document__state=Document.State.AVAILABLE)
        .select_related("document")
        .order_by("pk")
    )
    items = FileRequestItem.objects.order_by("pk").prefetch_related(Prefetch("files", arrived))
    shown = FileRequest.objects.filter(firm=link.firm_id, contact=link.contact_id)
    shown = shown.open() | shown.filter(
        status=Status.FULFILLED, fulfilled_at__gte=link.created_at
    )
    return list(shown.order_by("asked_on", "pk").prefetch_related(Prefetch("items", items)))


def receive_file(*, item: FileRequestItem, upload: Upload, now: datetime) -> ReceivedFile:
    """Store a file that came for an item; not to be called inside a transaction.

    Whoever asked is told. Raises ``ThereAlready``, ``StorageError``, and ``Problem`` where
    nothing is asked for any more; after any of them it is as if nothing had been sent.
    """
    received = _expect(item, upload, now=now)
    document = received.document
    try:
        finish_upload(document=document, upload=upload, actor=None, now=now)
    except Problem:
        with transaction.atomic(durable=True):
            _let_go(received, now=now)
        raise
    with transaction.atomic(durable=True):
        request = settle(FileRequest.objects.get(pk=item.request_id), now=now)
        came = event("file_received", received, changes={"item": item.pk})
        came.actor_label = f"contact:{request.contact_id}"
        came.save(force_insert=True)
        key = f"files-received:{{}}:{received.pk}"
        notify(drafts_to_staff(FILES_RECEIVED, [request], key=key))
    return received


def accept_file(*, file: ReceivedFile, actor: User | None, now: datetime) -> None:
    """Say that a file is what was asked for; raises ``Problem`` unless it waits for that."""
    waiting = ReceivedFile.objects.here().filter(pk=file.pk, state=State.RECEIVED)
    with transaction.atomic():
        _decide(file, waiting, state=State.ACCEPTED, actor=actor, reason="", now=now)
        record("file_accepted", file, actor=actor)
        settle(FileRequest.objects.get(pk=file.item.request_id), now=now)


def refuse_file(*, file: ReceivedFile, actor: User | None, reason: str, clock: Clock) -> None:
    """Send somebody a file's refusal with the reason, and ask for it again.

    The file stays on record. Its item is outstanding until another file comes, or is accepted;
    reminders go on with the next step. Raises ``Problem`` for one that was refused.
    """
    with transaction.atomic():
        request = _locked(file.item.request_id)
        if request.status not in FileRequest.TAKES_FILES:
            raise Problem(f"“{request}” is {request.get_status_display().lower()}.")
        standing = ReceivedFile.objects.here().filter(pk=file.pk)
        now = clock.now
        _decide(file, standing, state=State.REFUSED, actor=actor, reason=reason, now=now)
        record("file_refused", file, actor=actor, reason=reason)
        request = settle(request, now=now)
        if request.status in FileRequest.OPEN:
            today = request.firm.today(clock)
            cadence = Cadence.of(request.firm)
            request.next_reminder_on = cadence.plan(request, after=today)
            request.save(update_fields=["next_reminder_on"])
            key = f"file-refused:{file.pk}"
            told = draft_to_contact(FILE_REFUSED, [request], key=key, file=file.pk)
            make_links(notify([told]), now=now)


def settle(request: FileRequest, *, now: datetime) -> FileRequest:
    """Let a request's status say what has come; in the transaction of what changed it."""
    request = _locked(request.pk) if request.status in FileRequest.TAKES_FILES else request
    if request.status not in FileRequest.TAKES_FILES:
        return request
    items = request.items.count()
    missing = request.items.outstanding().count()
    if not missing:
        status = Status.FULFILLED
    else:
        status = Status.PENDING if missing == items else Status.PARTIALLY_FULFILLED
    if status != request.status:
        request.status = status
        request.fulfilled_at = None if missing else now
        request.next_reminder_on = request.next_reminder_on if missing else None
        request.save(update_fields=["status", "fulfilled_at", "next_reminder_on", "updated_at"])
    return request


# ---- inside ---------------------------------------------------------------------------------


def _locked(pk: int) -> FileRequest:
    rows = FileRequest.objects.select_related("firm", "contact")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=pk)


def _expect(item: FileRequestItem, upload: Upload, *, now: datetime) -> ReceivedFile:
    """Write down that a file is coming for an item, and under which key."""
    with transaction.atomic(durable=True):
        request = _locked(item.request_id)
        contact: Contact = request.contact
        if request.status not in FileRequest.TAKES_FILES or contact.erased_at:
            raise Problem(f"Nothing is asked for any more under “{item}”.")
        files = ReceivedFile.objects.filter(item=item)  # the page's item knows but some
        known = files.exclude(state=State.REFUSED).filter(sha256=upload.sha256)
        # Locked: one that has just arrived is there, and not still on its way.
        locked = known.select_related("document").select_for_update(of=("document",))
        if same := locked.first():
            if same.document.state == Document.State.AVAILABLE:
                raise ThereAlready(f"“{upload.name}” is there already.")
            _let_go(same, now=now)  # it died on its way, or is overtaken by this one
        if files.count() >= MOST_FILES:
            raise Problem(f"At most {MOST_FILES} files can be sent for “{item}”.")
        document = begin_upload(
            firm=request.firm, upload=upload, title=item.title, owner=contact, now=now
        )
        return ReceivedFile.objects.create(
            firm=request.firm,
            item=item,
            document=document,
            sha256=upload.sha256,
            received_at=now,
        )


def _let_go(received: ReceivedFile, *, now: datetime) -> None:
    """Forget a file that did not arrive; whatever of it is in the storage is removed later."""
    document = received.document
    received.delete()
    mark_for_purge(documents=[document], actor=None, reason="not stored", now=now)


def _decide(
    file: ReceivedFile,
    standing: "QuerySet[ReceivedFile]",
    *,
    state: ReceivedFile.State,
    actor: User | None,
    reason: str,
    now: datetime,
) -> None:
    decided = standing.update(
        state=state, decided_by=actor, decided_at=now, reason=reason, updated_at=now
    )
    if not decided:
        file.refresh_from_db(fields=["state"])
        raise Problem(f"“{file}” is {file.get_state_display().lower()}.")
    file.refresh_from_db()
