"""The words around file requests.

What is asked for is read when a message is written, so whatever has come by then is not asked
for again; a message of which nothing is left does not go out.
"""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import Prefetch
from django.urls import reverse
from django.utils import timezone

from apps.core.days import write_day, zone
from apps.documents.models import FileRequest, FileRequestItem, ReceivedFile, UploadLink
from apps.documents.tokens import recover
from apps.notifications.models import Channel, Notification
from apps.notifications.types import Category, NotificationType, Words


def _outstanding(notifications: Sequence[Notification]) -> dict[int, FileRequest]:
    """Return the requests of which something is outstanding; ``items`` are those alone."""
    asked = {pk for one in notifications for pk in one.context["requests"]}
    items = FileRequestItem.objects.outstanding().order_by("pk")
    found = (
        FileRequest.objects.open()
        .filter(pk__in=asked)
        .prefetch_related(Prefetch("items", items))
    )
    return {request.pk: request for request in found if request.items.all()}


def _links(notifications: Sequence[Notification]) -> dict[tuple[int | None, str], UploadLink]:
    carried = UploadLink.objects.filter(
        contact__in=[one.recipient_contact_id for one in notifications],
        message__in=[one.dedupe_key for one in notifications],
    )
    return {(link.contact_id, link.message): link for link in carried}


def upload_address(link: UploadLink) -> str:
    """Return where files are sent; it must go to that contact only."""
    token = recover(nonce=link.token_nonce, token_hash=link.token_hash)
    return settings.SITE_URL + reverse("uploads:page", args=[token])


def _dead_links(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages ask for nothing any more, or carry a link that does not work."""
    now, links = timezone.now(), _links(notifications)
    outstanding = _outstanding(notifications)
    reasons = {}
    for one in notifications:
        link = links.get((one.recipient_contact_id, one.dedupe_key))
        if outstanding.keys().isdisjoint(one.context["requests"]):
            reasons[one.pk] = "nothing is outstanding"
        elif link is None or not link.works_at(now):
            reasons[one.pk] = "link closed"
        elif not recover(nonce=link.token_nonce, token_hash=link.token_hash):
            reasons[one.pk] = "secret key changed"
    return reasons


# ---- to whoever is asked --------------------------------------------------------------------


def _write(notification: Notification, *, subject: str, opening: str) -> Words:
    """Write what is asked for, by when, and where to send it."""
    (link,) = _links([notification]).values()
    outstanding = _outstanding([notification]).values()
    requests = sorted(outstanding, key=lambda one: (one.due_date is None, one.due_date, one.pk))
    firm, contact = notification.firm, notification.recipient_contact
    assert contact is not None
    lines = [f"Hello {contact},", "", opening.format(firm=firm), ""]
    for request in requests:
        due = f", by {write_day(request.due_date)}" if request.due_date else ""
        lines += [f"{_line(request.title)}{due}:"]
        lines += [f"  • {_line(item.title)}" for item in request.items.all()]
        lines += [""]
    where = contact.zone_name(firm)
    end = link.expires_at.astimezone(zone(where))
    lines += [
        "Send the files here, also from a phone:",
        upload_address(link),
        "",
        f"The link works until {end:%-d %B %Y, %H:%M} ({where}). "
        "It is meant for you alone: please do not pass it on.",
        "",
        str(firm),
    ]
    first = _line(requests[0].title)
    about = first if len(requests) == 1 else f"{first} and {len(requests) - 1} more"
    return Words(subject=subject.format(about=about), text="\n".join(lines) + "\n")


def _line(text: str) -> str:
    return " ".join(text.split())


def _asked(notifications: Sequence[Notification]) -> Words:
    return _write(
        notifications[0],
        subject="Please send us files: {about}",
        opening="{firm} asks you to send:",
    )


def _reminded(notifications: Sequence[Notification]) -> Words:
    return _write(
        notifications[0],
        subject="Reminder: {about}",
        opening="{firm} is still waiting for:",
    )


def _refused(notifications: Sequence[Notification]) -> Words:
    facts = notifications[0].context
    file = ReceivedFile.objects.select_related("document").get(pk=facts["file"])
    # A brace in somebody's words is none of ours.
    name, reason = (
        _line(text).replace("{", "{{").replace("}", "}}") for text in (str(file), file.reason)
    )
    return _write(
        notifications[0],
        subject="Please send a file again: {about}",
        opening=f"{{firm}} cannot use “{name}”: {reason}\n\nPlease send again:",
    )


def _linked(notifications: Sequence[Notification]) -> Words:
    return _write(
        notifications[0],
        subject="Your new link: {about}",
        opening="here is the new link that you asked for. {firm} is waiting for:",
    )


# By e-mail alone: a page of ours must not show a link that only that person may know.
_TO_CONTACTS = {
    "category": Category.TRANSACTIONAL,
    "channels": (Channel.EMAIL,),
    "still_wanted": _dead_links,
}
FILES_REQUESTED = NotificationType("files_requested", write=_asked, **_TO_CONTACTS)  # type: ignore[arg-type]
FILE_REQUEST_REMINDER = NotificationType(
    "file_request_reminder",
    write=_reminded,
    **_TO_CONTACTS,  # type: ignore[arg-type]
)
FILE_REFUSED = NotificationType("file_refused", write=_refused, **_TO_CONTACTS)  # type: ignore[arg-type]
UPLOAD_LINK = NotificationType("upload_link", write=_linked, **_TO_CONTACTS)  # type: ignore[arg-type]


# ---- to whoever asked -----------------------------------------------------------------------


def _requests(notifications: Sequence[Notification]) -> list[FileRequest]:
    pks = [one.subject_id for one in notifications]
    return list(FileRequest.objects.filter(pk__in=pks).select_related("contact").order_by("pk"))


def _tell(notifications: Sequence[Notification], *, one: str, many: str, then: str) -> Words:
    """Write which requests something is to be said of, and where they are."""
    requests = _requests(notifications)
    count = len(requests)
    page = settings.SITE_URL + reverse("admin:documents_filerequest_changelist")
    lines = [f"  • {_line(request.title)} – {request.contact}" for request in requests]
    if count == 1:
        page = reverse("admin:documents_filerequest_change", args=[requests[0].pk])
        page = settings.SITE_URL + page
    heading = one if count == 1 else many.format(count=count)
    return Words(
        subject=heading,
        text="\n".join([f"{heading}:", "", *lines, "", f"{then}:", page]) + "\n",
    )


def _received(notifications: Sequence[Notification]) -> Words:
    return _tell(
        notifications,
        one="Files have come",
        many="Files have come for {count} requests",
        then="Look at them, and accept or refuse them, here",
    )


def _unanswered(notifications: Sequence[Notification]) -> Words:
    sent = notifications[0].context["reminders"]
    return _tell(
        notifications,
        one=f"No response after {sent} reminder{'s' * (sent != 1)}",
        many="No response to {count} file requests",
        then="Nobody is reminded again. What to do about it is up to you",
    )


def _unreachable(notifications: Sequence[Notification]) -> Words:
    return _tell(
        notifications,
        one="A file request could not be sent: no e-mail address",
        many="{count} file requests could not be sent: no e-mail address",
        then="Fill in the address, or ask in another way",
    )


def _looked_at(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which news of files are old: all of them have been looked at."""
    waiting = ReceivedFile.objects.here().filter(
        state=ReceivedFile.State.RECEIVED,
        item__request__in=[int(one.subject_id) for one in notifications],
    )
    left = {str(pk) for pk in waiting.values_list("item__request", flat=True)}
    return {one.pk: "looked at" for one in notifications if one.subject_id not in left}


def _no_longer_open(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages are about requests of which nothing is outstanding any more."""
    pks = [int(one.subject_id) for one in notifications]
    found = FileRequest.objects.open().filter(pk__in=pks)
    left = {str(pk) for pk in found.values_list("pk", flat=True)}
    return {one.pk: "settled meanwhile" for one in notifications if one.subject_id not in left}


FILES_RECEIVED = NotificationType(
    "files_received",
    Category.OPERATIONAL,
    _received,
    may_opt_out=True,
    digestable=True,
    still_wanted=_looked_at,
)
FILE_REQUEST_UNANSWERED = NotificationType(
    "file_request_unanswered",
    Category.OPERATIONAL,
    _unanswered,
    digestable=True,
    still_wanted=_no_longer_open,
)
FILE_REQUEST_UNREACHABLE = NotificationType(
    "file_request_unreachable",
    Category.OPERATIONAL,
    _unreachable,
    digestable=True,
    still_wanted=_no_longer_open,
)
