"""The life of a request to be erased, from the day on which it is asked until it is decided.

Nobody decides about their own request, and who has confirmed a person's identity does not
approve it. What is written into the audit trail holds keys, and never a name or an address.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.firms.models import Firm, User
from apps.privacy.models import ErasureRequest
from apps.privacy.models.law import Law
from apps.privacy.services.erasing.covering import whom
from apps.privacy.services.erasing.marks import Marks
from apps.privacy.services.erasing.seeking import Seeker

Status = ErasureRequest.Status

# What can be executed: of what is partially completed a hold may have been released.
POSSIBLE = (Status.APPROVED, Status.BLOCKED, Status.IN_PROGRESS, Status.PARTIALLY_COMPLETED)
UNDECIDED = (Status.RECEIVED, Status.VERIFIED)
NOT_BEGUN = (*UNDECIDED, Status.APPROVED, Status.BLOCKED)


def receive_request(
    *,
    user: User | None,
    contact: Contact | None,
    firm: Firm | None,
    law: Law,
    received_on: date,
    by: User,
) -> ErasureRequest:
    """Write down that somebody asks to be erased, and until when they must be answered.

    By a firm: its contact, or an account that it knows. By every firm and the platform,
    without ``firm``: an account. Raises ``Problem`` for anybody else, for who was erased
    already, and while another request of theirs is open.
    """
    check_whom(user=user, contact=contact, firm=firm)
    request = ErasureRequest(
        firm=firm,
        user=user,
        contact=contact,
        law=law,
        received_on=received_on,
        due_on=law.due_on(received_on, extended=False),
        received_by=by,
    )
    try:
        with transaction.atomic():
            request.save(force_insert=True)
            record(
                "erasure_received",
                request,
                actor=by,
                changes={"of": request.whom, "law": law, "due_on": str(request.due_on)},
            )
    except IntegrityError:
        raise Problem(f"A request of {request.whom} is open already.") from None
    return request


def verify_request(*, request: ErasureRequest, how: str, by: User, now: datetime) -> None:
    """Confirm that whoever asks is the person; says how they showed it."""
    _check_who_decides(request, by)
    told = _discreet(request, how)
    columns = {"verified_by": by, "verified_at": now, "verified_how": told}
    _move(request, (Status.RECEIVED,), Status.VERIFIED, by, told, columns)


def approve_request(*, request: ErasureRequest, by: User, now: datetime) -> None:
    """Approve a request whose identity somebody else has confirmed; now it can be executed."""
    _check_who_decides(request, by)
    if by.pk == request.verified_by_id:
        raise Problem("Whoever confirmed the identity cannot approve it, too.")
    columns = {"approved_by": by, "approved_at": now}
    _move(request, (Status.VERIFIED,), Status.APPROVED, by, "", columns)


def extend_request(*, request: ErasureRequest, reason: str, by: User, today: date) -> None:
    """Take the longer time that the law allows, once, and while the shorter still runs.

    The person must be told by then, and why (GDPR article 12(3)).
    """
    if today > request.due_on:
        raise Problem(f"{request} was due on {request.due_on} and cannot be extended any more.")
    due_on = Law(request.law).due_on(request.received_on, extended=True)
    with transaction.atomic():
        same = ErasureRequest.objects.filter(
            pk=request.pk, status__in=NOT_BEGUN, extended=False
        )
        if not same.update(extended=True, due_on=due_on):
            raise Problem(f"{request} cannot be extended: it was before, or has begun.")
        record(
            "erasure_extended",
            request,
            actor=by,
            changes={"due_on": [str(request.due_on), str(due_on)]},
            reason=_discreet(request, reason),
        )


def reject_request(*, request: ErasureRequest, reason: str, by: User, now: datetime) -> None:
    """Refuse a request before anything was erased, and say why."""
    _check_who_decides(request, by)
    told = _discreet(request, reason)
    _move(request, NOT_BEGUN, Status.REJECTED, by, told, {"reason": told, "closed_at": now})


def order_execution(*, request: ErasureRequest, reason: str, by: User) -> None:
    """Write down that somebody has ordered a request to be executed, or gone on with, now."""
    if request.status not in POSSIBLE:
        raise Problem(f"{request} is {request.get_status_display().lower()}.")
    told = _discreet(request, reason)
    record("erasure_ordered", request, actor=by, reason=told)


def cancel_request(*, request: ErasureRequest, reason: str, by: User, now: datetime) -> None:
    """Close a request that its person has taken back before anything was erased."""
    told = _discreet(request, reason)
    _move(request, NOT_BEGUN, Status.CANCELLED, by, told, {"reason": told, "closed_at": now})


def check_whom(*, user: User | None, contact: Contact | None, firm: Firm | None) -> None:
    """Raise ``Problem`` unless this is somebody who can be erased, by whoever is asked."""
    if user is None and contact is None:
        raise Problem("Say whose request it is: an account's, or a contact's.")
    if firm is None:
        if user is None or contact is not None:
            raise Problem("Without a firm only an account can be erased.")
    elif contact is not None and contact.firm_id != firm.pk:
        raise Problem("This contact is another firm's.")
    elif contact is None and user is not None and not _knows(firm, user):
        raise Problem("The firm does not know this account.")
    if contact is not None and contact.erased_at is not None:
        raise Problem(f"Contact {contact.pk} has been erased.")
    if user is not None and user.erased_at is not None:
        raise Problem(f"User {user.pk} has been erased.")


# ---- inside -------------------------------------------------------------------------------


def _knows(firm: Firm, user: User) -> bool:
    return (
        user.memberships.filter(firm=firm).exists() or firm.contacts.filter(user=user).exists()
    )


def _check_who_decides(request: ErasureRequest, by: User) -> None:
    if by.pk in whom(request).users:
        raise Problem("Nobody decides about their own request.")


def _discreet(request: ErasureRequest, text: str) -> str:
    """Return what somebody typed without the person's name, address or number."""
    return str(Seeker(Marks.of(whom(request))).without(text))


def _move(
    request: ErasureRequest,
    before: Sequence[Status],
    after: Status,
    by: User,
    reason: str,
    columns: Mapping[str, Any],
) -> None:
    """Change the status, if it is one of those before, and write down who did it."""
    with transaction.atomic():
        same = ErasureRequest.objects.filter(pk=request.pk, status__in=before)
        if not same.update(status=after, **columns):
            status = ErasureRequest.objects.values_list("status", flat=True).get(pk=request.pk)
            raise Problem(f"{request} is {Status(status).label.lower()}.")
        record(
            f"erasure_{after}",
            request,
            actor=by,
            changes={"status": [request.status, after]},
            reason=reason,
        )
