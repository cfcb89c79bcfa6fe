"""Keep what a dispute is about: legal holds are placed and released (spec D6)."""

from datetime import datetime

from django.apps import apps
from django.db import IntegrityError, transaction

from apps.audit.services import record
from apps.core.problems import Problem
from apps.firms.models import LegalHold, User

Subject = LegalHold.Subject


def place_hold(*, hold: LegalHold, actor: User | None, now: datetime) -> None:
    """Hold the data of something in a firm until somebody releases them.

    From then on neither retention nor an erasure touches them. Takes a hold that is not saved
    yet: its firm, its subject and the reason. Raises ``Problem`` as ``check_hold`` does.
    """
    check_hold(hold=hold)
    hold.placed_by, hold.placed_at = actor, now
    try:
        with transaction.atomic():
            hold.save(force_insert=True)
            _record("legal_hold_placed", hold, actor=actor, reason=hold.reason)
    except IntegrityError:  # somebody else was quicker
        raise Problem(_held_already(hold)) from None


def release_hold(*, hold: LegalHold, reason: str, actor: User | None, now: datetime) -> None:
    """Let data go their way again; raises ``Problem`` when somebody has done so before."""
    with transaction.atomic():
        released = LegalHold.objects.filter(pk=hold.pk, released_at=None).update(
            released_by=actor, released_at=now, updated_at=now
        )
        if not released:
            raise Problem(f"The hold on {hold.subject} has been released already.")
        _record("legal_hold_released", hold, actor=actor, reason=reason)


def check_hold(*, hold: LegalHold) -> None:
    """Raise ``Problem`` when the firm has no such subject, or it is held already."""
    if not _exists(hold):
        raise Problem(f"{hold.firm} has no such subject: {hold.subject}.")
    same = LegalHold.objects.filter(
        firm=hold.firm, subject_type=hold.subject_type, subject_id=hold.subject_id
    )
    if same.filter(released_at=None).exists():
        raise Problem(_held_already(hold))


def _exists(hold: LegalHold) -> bool:
    if hold.subject_type == Subject.FIRM:
        return hold.subject_id == hold.firm_id
    if hold.subject_type == Subject.USER:
        return hold.firm.memberships.filter(user=hold.subject_id).exists()
    rows = apps.get_model(hold.subject_type)._default_manager
    return bool(rows.filter(firm=hold.firm_id, pk=hold.subject_id).exists())


def _held_already(hold: LegalHold) -> str:
    return f"There is a hold on {hold.subject} already."


def _record(action: str, hold: LegalHold, *, actor: User | None, reason: str) -> None:
    about = {"subject": f"{hold.subject_type} {hold.subject_id}"}
    record(action, hold, actor=actor, changes=about, reason=reason)
