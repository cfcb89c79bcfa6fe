"""Links by which one contact may send files to one firm, for a week."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import constant_time_compare

from apps.contacts.models import Contact
from apps.core import bulk
from apps.core.days import Clock
from apps.documents.messages import UPLOAD_LINK
from apps.documents.models import FileRequest, UploadLink
from apps.documents.tokens import fresh_nonce, hash_of, token_for
from apps.notifications.services import Draft, Planned, notify

DAYS = 7  # that a link works
KEPT = timedelta(days=90)  # after its end, so that a new one can be asked for with it


def make_links(planned: Sequence[Planned], *, now: datetime) -> None:
    """Make the link of each message to a contact, in the transaction of the message.

    It works for ``DAYS`` × 24 h. Those of the same contacts that ended long ago go.
    """
    contacts = [one.draft.recipient for one in planned]
    UploadLink.objects.filter(
        contact__in=[contact.pk for contact in contacts if isinstance(contact, Contact)],
        expires_at__lt=now - KEPT,
    ).delete()
    rows = []
    for one in planned:
        nonce = fresh_nonce()
        rows.append(
            (
                *(one.draft.firm_id, one.draft.recipient.pk, one.draft.dedupe_key),
                *(nonce, hash_of(token_for(nonce)), now, now + timedelta(days=DAYS)),
            )
        )
    bulk.insert(UploadLink, _COLUMNS, rows)


_COLUMNS = (
    *("firm", "contact", "message", "token_nonce", "token_hash"),
    *("created_at", "expires_at"),
)


def find_upload_link(token: str) -> UploadLink | None:
    """Return the link that a token opens, whether it still works or not.

    The index finds the hash; the comparison in constant time is what decides.
    """
    wanted = hash_of(token)
    link = (
        UploadLink.objects.select_related("firm", "contact")
        .filter(token_hash=wanted, contact__erased_at=None)
        .first()
    )
    if link is None or not constant_time_compare(link.token_hash, wanted):
        return None
    return link


def send_fresh_link(*, link: UploadLink, clock: Clock) -> None:
    """Send a new link to the address of whoever had an old one, once a day.

    Nothing is sent where nothing is asked for, and no word tells which of these it was.
    """
    open_ = FileRequest.objects.open().filter(firm=link.firm_id, contact=link.contact_id)
    requests = list(open_.order_by("pk").values_list("pk", flat=True))
    if not requests or not link.firm.is_active:
        return
    draft = Draft(
        type=UPLOAD_LINK,
        firm_id=link.firm_id,
        recipient=link.contact,
        dedupe_key=f"upload-link:{link.contact_id}:{link.firm.today(clock)}",
        context={"requests": requests},
    )
    with transaction.atomic():
        make_links(notify([draft]), now=clock.now)
