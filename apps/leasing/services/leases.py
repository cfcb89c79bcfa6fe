"""The life of a lease: beginning, ending, never two on one unit."""

from django.db import transaction

from apps.audit import services as audit
from apps.core.problems import Problem
from apps.documents.models import SignatureRequest
from apps.firms.models import User
from apps.leasing.models import Lease, Unit


class UnitTaken(Problem):
    """Somebody lives there already on one of the days."""


def check_unit_free(lease: Lease) -> None:
    """Raise ``UnitTaken`` when a living lease overlaps this one on its unit.

    The caller must hold the unit's row lock; on PostgreSQL an exclusion constraint says the
    same again.
    """
    others = Lease.objects.living().filter(unit=lease.unit_id).exclude(pk=lease.pk)
    end = lease.end_date
    others = (
        others.overlapping(lease.start_date, end)
        if end
        else others.exclude(end_date__lt=lease.start_date)
    )
    if other := others.first():
        raise UnitTaken(f"{lease.unit} is let under lease {other.pk} from {other.start_date}.")


@transaction.atomic
def activate_lease(*, lease: Lease, actor: User | None = None) -> Lease:
    """Put a lease into force: its unit must be free and every request to sign it signed.

    Raises ``Problem`` otherwise. The unit becomes occupied.
    """
    unit = Unit.objects.select_for_update().get(pk=lease.unit_id)
    if lease.status not in {Lease.Status.DRAFT, Lease.Status.PENDING_SIGNATURE}:
        raise Problem(f"{lease} is {lease.get_status_display().lower()}.")
    if lease.agreement_id and _unsigned(lease):
        raise Problem(f"{lease} is not signed by everybody yet.")
    check_unit_free(lease)
    _move(lease, Lease.Status.ACTIVE, actor)
    Unit.objects.filter(pk=unit.pk).update(status=Unit.Status.OCCUPIED)
    return lease


@transaction.atomic
def end_lease(*, lease: Lease, actor: User | None = None) -> Lease:
    """End a living lease on its last day; the unit becomes vacant."""
    if lease.status not in Lease.LIVING:
        raise Problem(f"{lease} is {lease.get_status_display().lower()}.")
    if lease.end_date is None:
        raise Problem(f"{lease} has no last day yet.")
    _move(lease, Lease.Status.ENDED, actor)
    living = Lease.objects.living().filter(unit=lease.unit_id)
    if not living.exists():
        Unit.objects.filter(pk=lease.unit_id).update(status=Unit.Status.VACANT)
    return lease


def _unsigned(lease: Lease) -> bool:
    return (
        SignatureRequest.objects.filter(document=lease.agreement_id)
        .exclude(status=SignatureRequest.Status.SIGNED)
        .exists()
    )


def _move(lease: Lease, status: Lease.Status, actor: User | None) -> None:
    before = lease.status
    moved = Lease.objects.filter(pk=lease.pk, status=before).update(status=status)
    if not moved:
        raise Problem(f"{lease} has changed meanwhile.")
    lease.status = status
    audit.record(
        f"lease_{status}", lease, actor=actor, changes={"status": [before, str(status)]}
    )
