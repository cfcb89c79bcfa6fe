"""A firm asks somebody for files, reminds by hand, or asks no more."""

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.documents.messages import FILE_REQUEST_REMINDER, FILES_REQUESTED
from apps.documents.models import MOST_REMINDERS, FileRequest, FileRequestItem
from apps.documents.services.requests.links import make_links
from apps.documents.services.requests.steps import Cadence
from apps.firms.models import User
from apps.firms.rights import in_charge, people_at
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

Status = FileRequest.Status

MOST_ITEMS = 30


def request_files(
    *,
    contact: Contact,
    title: str,
    items: Sequence[str],
    note: str,
    due_date: date | None,
    remind_every_days: int | None,
    requested_by: User | None,
    clock: Clock,
) -> FileRequest:
    """Ask somebody for files: one item for each, and a message with a link to send them by.

    Somebody without an e-mail address is asked as well, but hears nothing of it.
    """
    titles = list(dict.fromkeys(" ".join(item.split()) for item in items if item.strip()))
    today = contact.firm.today(clock)
    if contact.erased_at:
        raise Problem("This person was erased.")
    if not titles:
        raise Problem("Say what is asked for.")
    if len(titles) > MOST_ITEMS or any(len(item) > 150 for item in titles):
        raise Problem(f"At most {MOST_ITEMS} items of at most 150 letters.")
    if due_date and due_date < today:
        raise Problem("The due date has passed.")
    request = FileRequest(
        firm=contact.firm,
        contact=contact,
        requested_by=requested_by,
        title=title,
        note=note,
        asked_on=today,
        due_date=due_date,
        remind_every_days=remind_every_days,
    )
    request.next_reminder_on = Cadence.of(contact.firm).plan(request, after=today)
    with transaction.atomic():
        request.save(force_insert=True)
        FileRequestItem.objects.bulk_create(
            FileRequestItem(firm=contact.firm, request=request, title=item) for item in titles
        )
        record("files_requested", request, actor=requested_by, changes={"items": len(titles)})
        asked = draft_to_contact(
            FILES_REQUESTED, [request], key=f"files-requested:{request.pk}"
        )
        make_links(notify([asked]), now=clock.now)
    return request


def cancel_request(
    *, request: FileRequest, actor: User | None, reason: str, now: datetime
) -> None:
    """Ask for nothing more; what has come stays. Raises ``Problem`` if nothing is asked."""
    with transaction.atomic():
        same = FileRequest.objects.filter(pk=request.pk).open()
        if not same.update(status=Status.CANCELLED, next_reminder_on=None, updated_at=now):
            raise Problem(f"“{request}” is not open.")
        record("file_request_cancelled", request, actor=actor, reason=reason)
    request.refresh_from_db()


def remind_now(*, request: FileRequest, actor: User | None, clock: Clock) -> None:
    """Remind somebody of one request at once, within the limits that the job keeps, too.

    One reminder to a person and day, and no more than five of a request. Raises ``Problem``.
    """
    with transaction.atomic():
        mine = FileRequest.objects.open().filter(pk=request.pk).select_for_update().first()
        if mine is None:
            raise Problem(f"“{request}” is not open.")
        firm, contact = request.firm, request.contact
        today = firm.today(clock)
        if not firm.is_active or contact.erased_at:
            raise Problem(f"{contact} is not written to any more.")
        if mine.reminder_count >= MOST_REMINDERS:
            raise Problem(f"{contact} has had {MOST_REMINDERS} reminders of “{request}”.")
        planned = notify([reminder(contact, [mine], today=today)])
        if not planned:
            raise Problem(f"{contact} was reminded today already.")
        if not planned[0].channels:
            raise Problem(f"{contact} cannot be reached by e-mail.")
        make_links(planned, now=clock.now)
        count_reminder(mine, Cadence.of(firm), today=today)
        mine.save(update_fields=COUNTED)
        record("file_request_reminded", mine, actor=actor)
    request.refresh_from_db()


# ---- shared with the reminders that go out by themselves ------------------------------------

COUNTED = ("reminder_count", "last_reminder_on", "next_reminder_on", "updated_at")


def count_reminder(request: FileRequest, cadence: Cadence, *, today: date) -> None:
    """Note on a row in memory that somebody was reminded today, and when it is time again."""
    request.reminder_count += 1
    request.last_reminder_on = today
    request.next_reminder_on = cadence.plan(request, after=today)


def reminder(contact: Contact, requests: Sequence[FileRequest], *, today: date) -> Draft:
    """Return the one reminder that a contact gets on a day."""
    key = f"file-requests:{contact.pk}:{today}"
    return draft_to_contact(FILE_REQUEST_REMINDER, requests, key=key, contact=contact)


def draft_to_contact(
    kind: NotificationType,
    requests: Sequence[FileRequest],
    *,
    key: str,
    contact: Contact | None = None,
    **context: object,
) -> Draft:
    """Return a message about requests to whoever is asked."""
    return Draft(
        type=kind,
        firm_id=requests[0].firm_id,
        recipient=contact or requests[0].contact,
        dedupe_key=key,
        about=requests[0],
        context={"requests": [request.pk for request in requests], **context},
    )


def drafts_to_staff(
    kind: NotificationType, requests: Sequence[FileRequest], *, key: str
) -> list[Draft]:
    """Return a message about each request of one firm to whoever asked.

    Where they have left, it goes to those in charge. ``key`` has a place for a request's key.
    """
    if not requests:
        return []
    firm_id = requests[0].firm_id
    asked = [one.requested_by_id for one in requests if one.requested_by_id]
    askers = people_at(firm_id).in_bulk(asked)
    leaders = in_charge([firm_id]).get(firm_id, [])
    return [
        Draft(
            type=kind,
            firm_id=firm_id,
            recipient=person,
            dedupe_key=key.format(request.pk),
            about=request,
            context={"reminders": request.reminder_count},
        )
        for request in requests
        for person in (
            [askers[request.requested_by_id]] if request.requested_by_id in askers else leaders
        )
    ]
