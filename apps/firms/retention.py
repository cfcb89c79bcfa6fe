"""Which sign-ins go when a firm's retention policy says so (spec D6)."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.core.personal import Cutoff, Expiry
from apps.firms.models import LegalHold, Membership, RetentionPolicy, UserSession
from apps.firms.services import sign_out

SESSIONS = RetentionPolicy.DataType.SESSIONS


def _of_one_firm(firm_id: int, cutoff: Cutoff) -> "QuerySet[UserSession]":
    return UserSession.objects.filter(firm=firm_id, expires_at__lt=cutoff.at)


def _of_several_firms(firm_id: int, cutoff: Cutoff) -> "QuerySet[UserSession]":
    """Return sessions of people in several firms: the one that keeps them longest decides.

    A hold in any of them keeps them. Those of people in no firm are the platform's; they go
    when the person comes again.
    """
    theirs = RetentionPolicy.objects.filter(
        data_type=SESSIONS,
        is_active=True,
        firm__is_active=True,
        firm__memberships__user=OuterRef("user"),
    )
    decides = theirs.order_by("-retention_days", "firm").values("firm")[:1]
    over = UserSession.objects.filter(firm=None, expires_at__lt=cutoff.at)
    over = over.alias(decides=Subquery(decides)).filter(decides=firm_id)
    return over.exclude(_held_elsewhere(firm_id))


def _held_elsewhere(firm_id: int) -> Q:
    in_force = LegalHold.objects.filter(released_at=None).exclude(firm=firm_id)
    users = in_force.filter(subject_type=LegalHold.Subject.USER).values("subject_id")
    firms = in_force.filter(subject_type=LegalHold.Subject.FIRM).values("firm")
    colleagues = Membership.objects.filter(firm__in=firms).values("user")
    return Q(user__in=users) | Q(user__in=colleagues)


def _end(keys: Sequence[int], now: datetime) -> int:
    """End sessions; also where the policy says anonymise: without its person one is nothing."""
    sign_out(sessions=UserSession.objects.filter(pk__in=keys))
    return len(keys)


EXPIRIES = (
    Expiry(SESSIONS, UserSession, _of_one_firm, _end, _end),
    Expiry(SESSIONS, UserSession, _of_several_firms, _end, _end, shared=True),
)
