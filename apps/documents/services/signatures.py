"""Ask people to sign documents, take their answer, and let unused links go."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, TextChoices
from django.utils.crypto import constant_time_compare

from apps.audit.models import AuditEvent
from apps.audit.services import event, record
from apps.contacts.models import Contact
from apps.core.batches import by_key
from apps.core.days import Clock, positive
from apps.core.problems import Problem
from apps.core.reports import Item, Report, Skip, Subject
from apps.documents.messages import SIGNATURE_REQUESTED, SIGNING_LINKS_EXPIRED
from apps.documents.models import LINK_DAYS, Document, SignatureRequest
from apps.documents.services.filing import DocumentChanged
from apps.documents.tokens import fresh_nonce, hash_of, token_for
from apps.firms.models import User
from apps.firms.services import find_firm
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

Status = SignatureRequest.Status


class AlreadySigned(Problem):
    """A signature is never asked for twice."""


class LinkClosed(Problem):
    """The link was used, ended, withdrawn or replaced in the meantime."""


class Reason(TextChoices):
    SETTLED_MEANWHILE = "settled_meanwhile", "answered, withdrawn or sent again meanwhile"


# ---- asking -------------------------------------------------------------------------------


def check_signable(*, document: Document) -> None:
    """Refuse a file, and with ``DocumentChanged`` a text that is not what was filed."""
    if document.is_file:
        raise Problem("Only a text can be signed here, not a file.")
    if not document.is_intact():
        raise DocumentChanged("The text of this document is not the one it was filed with.")


def request_signature(
    *, document: Document, signer: Contact, requested_by: User | None, now: datetime
) -> tuple[SignatureRequest, str]:
    """Ask a person to sign a document, or ask again, and return the request and its token.

    The link goes out by e-mail and works for ``LINK_DAYS`` × 24 h from ``now``. Asking again
    uses the same row: a new token and generation, and the link before it is dead at once.
    Raises ``AlreadySigned``, and ``DocumentChanged`` for a text without its fingerprint.
    """
    if signer.firm_id != document.firm_id:
        raise Problem("The signer belongs to another firm.")
    check_signable(document=document)
    nonce = fresh_nonce()
    token = token_for(nonce)
    fresh = {
        "requested_by": requested_by,
        "token_nonce": nonce,
        "token_hash": hash_of(token),
        "token_created_at": now,
        # The first instant at which the link is dead: it must be strictly older (C-20).
        "token_expires_at": now + timedelta(days=LINK_DAYS) + timedelta.resolution,
    }
    with transaction.atomic():
        request, created = SignatureRequest.objects.get_or_create(
            document=document, signer=signer, defaults={"firm_id": document.firm_id, **fresh}
        )
        if not created:
            same = SignatureRequest.objects.filter(pk=request.pk)
            renewed = same.exclude(status=Status.SIGNED).update(
                **fresh,
                generation=F("generation") + 1,
                status=Status.PENDING,
                viewed_at=None,
                declined_at=None,
                expired_at=None,
                updated_at=now,
            )
            if not renewed:
                raise AlreadySigned("already signed")
            request.refresh_from_db()
        record(
            "signature_requested",
            request,
            actor=requested_by,
            changes={"generation": request.generation},
        )
        notify([_draft(SIGNATURE_REQUESTED, request, signer)])
    return request, token


def revoke(*, request: SignatureRequest, by: User | None, now: datetime) -> None:
    """Withdraw an open link, so that its address leads nowhere; raises ``LinkClosed``."""
    with transaction.atomic():
        _settle(request, now=now, status=Status.REVOKED)
        record("signature_revoked", request, actor=by)


# ---- answering ----------------------------------------------------------------------------


def find_by_token(token: str) -> SignatureRequest | None:
    """Return the request that a token opens, in whatever state it is.

    The index finds the hash; the comparison in constant time is what decides.
    """
    wanted = hash_of(token)
    request = (
        SignatureRequest.objects.select_related("firm", "document", "signer")
        .filter(token_hash=wanted)
        .first()
    )
    if request is None or not constant_time_compare(request.token_hash, wanted):
        return None
    return request


def view(*, request: SignatureRequest, now: datetime) -> None:
    """Note that the page was opened for the first time; never overtakes an answer."""
    same = SignatureRequest.objects.filter(pk=request.pk, generation=request.generation)
    same.filter(status=Status.PENDING).update(
        status=Status.VIEWED, viewed_at=now, updated_at=now
    )


def sign(*, request: SignatureRequest, name: str, now: datetime) -> None:
    """Sign the document of a request with a typed name, and keep the text's fingerprint.

    Raises ``LinkClosed`` when the link has ended or anything else was faster, and
    ``DocumentChanged`` when the text has lost its fingerprint or somebody signed another one.
    """
    document = request.document
    check_signable(document=document)
    signed = document.signature_requests.filter(status=Status.SIGNED)
    if signed.exclude(pk=request.pk).exclude(signed_sha256=document.sha256).exists():
        raise DocumentChanged("Another text of this document was signed before.")
    with transaction.atomic():
        _settle(
            request,
            now=now,
            status=Status.SIGNED,
            signed_at=now,
            signed_name=name,
            signed_sha256=document.sha256,
        )
        _by_signer("document_signed", request, sha256=document.sha256).save()


def decline(*, request: SignatureRequest, now: datetime) -> None:
    """Refuse to sign; raises ``LinkClosed`` when the link has ended or was used."""
    with transaction.atomic():
        _settle(request, now=now, status=Status.DECLINED, declined_at=now)
        _by_signer("signature_declined", request).save()


# ---- letting go ---------------------------------------------------------------------------


def expire_signing_links(
    *, days: int = LINK_DAYS, firm_id: int | None = None, dry_run: bool = False
) -> Report:
    """Expire the signing links that nobody used in time.

    Open links strictly older than ``days`` × 24 h, or past their own end, of all firms, also
    suspended ones (spec D22). Pure bookkeeping: the signing page looks at the time itself.
    Running again finds nothing. Each sender is told once per link, in one message per run.
    """
    positive("--days", days)
    now = Clock.read().now
    lapsed = SignatureRequest.objects.lapsed(now=now, days=days)
    if firm_id is not None:
        lapsed = lapsed.filter(firm=find_firm(firm_id))
    report = Report(
        dry_run=dry_run,
        summary=lambda r: [
            r.worded("Expired", would="Would expire")
            + f" {r.done} signing links older than {days} days."
        ],
    )

    def expire(items: Sequence[Item[SignatureRequest]]) -> None:
        requests = [item.thing for item in items]
        # The same condition again: whoever signed since the selection has won.
        open_still = SignatureRequest.objects.lapsed(now=now, days=days)
        expired = open_still.filter(pk__in=[request.pk for request in requests]).update(
            status=Status.EXPIRED, expired_at=now, updated_at=now
        )
        if expired != len(requests):  # a batch is then done again one by one
            raise Skip(Reason.SETTLED_MEANWHILE)
        AuditEvent.objects.bulk_create(event("signing_link_expired", r) for r in requests)
        notify(
            [
                _draft(SIGNING_LINKS_EXPIRED, request, request.requested_by)
                for request in requests
                if request.requested_by
            ]
        )
        for item in items:
            item.does("expire")

    report.expect(lapsed.count())
    about = lapsed.select_related("document", "signer", "requested_by")
    report.attempt_each(by_key(about.defer("document__text")), expire, subject=Subject.of)
    return report


# ---- inside -------------------------------------------------------------------------------


def _settle(request: SignatureRequest, *, now: datetime, **outcome: object) -> None:
    """Move an open request of this very link to its end, if nobody else has."""
    same = SignatureRequest.objects.filter(pk=request.pk, generation=request.generation)
    settled = same.open().filter(token_expires_at__gt=now).update(**outcome, updated_at=now)
    if not settled:
        raise LinkClosed("no longer open")
    request.refresh_from_db(fields=["updated_at", *outcome])


def _by_signer(action: str, request: SignatureRequest, **changes: str) -> AuditEvent:
    entry = event(action, request, actor=request.signer.user, changes=changes)
    entry.actor_label = f"contact:{request.signer_id}"
    return entry


def _draft(
    kind: NotificationType, request: SignatureRequest, recipient: Contact | User
) -> Draft:
    return Draft(
        type=kind,
        firm_id=request.firm_id,
        recipient=recipient,
        dedupe_key=f"signature:{request.pk}:{request.generation}",
        about=request,
        context={"generation": request.generation},
    )
