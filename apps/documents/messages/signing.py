"""The words around signatures."""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from apps.documents.models import SignatureRequest
from apps.documents.tokens import recover
from apps.notifications.models import Channel, Notification
from apps.notifications.types import Category, NotificationType, Words


def _requests(notifications: Sequence[Notification]) -> dict[str, SignatureRequest]:
    requests = SignatureRequest.objects.filter(pk__in=[n.subject_id for n in notifications])
    about = requests.select_related("firm", "document", "signer").defer("document__text")
    return {str(request.pk): request for request in about}


def link(request: SignatureRequest) -> str:
    """Return the address at which a request is signed; it must go to the signer only."""
    token = recover(nonce=request.token_nonce, token_hash=request.token_hash)
    return settings.SITE_URL + reverse("documents:sign", args=[token])


def ask_to_sign(notifications: Sequence[Notification]) -> Words:
    """Ask a signer to read and sign; the link is made here and nowhere stored."""
    (request,) = _requests(notifications).values()
    zone = request.signer.zone_name(request.firm)
    end = request.token_expires_at.astimezone(ZoneInfo(zone))
    return Words(
        subject=f"Please sign: {' '.join(request.document.title.split())}",
        text=(
            f"Hello {request.signer},\n\n"
            f"{request.firm} asks you to sign “{request.document}”.\n\n"
            f"Read and sign it here:\n{link(request)}\n\n"
            f"The link works until {end:%-d %B %Y, %H:%M} ({zone}). "
            "It is meant for you alone: please do not pass it on.\n\n"
            f"{request.firm}\n"
        ),
    )


def dead_links(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which messages carry a link that no longer works, and why."""
    now, requests = timezone.now(), _requests(notifications)
    reasons = {}
    for notification in notifications:
        request = requests.get(notification.subject_id)
        if request is None or notification.context["generation"] != request.generation:
            reasons[notification.pk] = "sent again"
        elif not request.works_at(now):
            reasons[notification.pk] = "link closed"
        elif not recover(nonce=request.token_nonce, token_hash=request.token_hash):
            reasons[notification.pk] = "secret key changed"
    return reasons


def tell_of_expired_links(notifications: Sequence[Notification]) -> Words:
    """Tell a sender, in one message, which links nobody used in time."""
    requests = sorted(_requests(notifications).values(), key=str)
    many = len(requests) != 1
    page = settings.SITE_URL + reverse("admin:documents_signaturerequest_changelist")
    return Words(
        subject=f"{len(requests)} signing links have expired"
        if many
        else "A signing link has expired",
        text=(
            f"Nobody used {'these signing links' if many else 'this signing link'} in time:\n\n"
            + "".join(f"  • {request.document} – {request.signer}\n" for request in requests)
            + f"\nSend {'them' if many else 'it'} again here:\n{page}?status__exact=expired\n"
        ),
    )


def no_longer_expired(notifications: Sequence[Notification]) -> Mapping[int, str]:
    """Return which news of an expired link are old: it has been sent again since."""
    requests = _requests(notifications)
    return {
        notification.pk: "sent again"
        for notification in notifications
        if (request := requests.get(notification.subject_id)) is None
        or notification.context["generation"] != request.generation
    }


SIGNATURE_REQUESTED = NotificationType(
    name="signature_requested",
    category=Category.TRANSACTIONAL,
    write=ask_to_sign,
    # By e-mail alone: a page of ours must not show a link that only the signer may know.
    channels=(Channel.EMAIL,),
    still_wanted=dead_links,
)
SIGNING_LINKS_EXPIRED = NotificationType(
    name="signing_links_expired",
    category=Category.OPERATIONAL,
    write=tell_of_expired_links,
    may_opt_out=True,
    digestable=True,
    still_wanted=no_longer_expired,
)
