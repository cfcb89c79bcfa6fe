"""People come to work at a firm and leave it, many at a time.

Called by what knows a firm's people better than anybody here (a directory). All of these
must run inside a transaction, and their statements do not grow with people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.utils import timezone

from apps.core import bulk
from apps.firms.models import Firm, Membership, MembershipRole, Role, User, UserSession
from apps.firms.rights import STAFF_ROLES, staff_group
from apps.firms.services.sessions import sign_out

Blocked = Membership.BlockedBy


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who has no account yet."""

    username: str
    first_name: str
    last_name: str
    email: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Member:
    """The keys of somebody's account and of their place in a firm."""

    user_id: int
    membership_id: int


def add_members(*, firm: Firm, newcomers: Sequence[Newcomer]) -> list[Member]:
    """Make accounts without a password and give them their places, in order.

    A name or an address that somebody has already fails all of them.
    """
    users = bulk.insert(
        User,
        ("username", "first_name", "last_name", "email", "password", "is_staff", "timezone"),
        (
            (
                one.username,
                one.first_name,
                one.last_name,
                one.email,
                make_password(None),
                bool(STAFF_ROLES & one.roles),
                firm.timezone,
            )
            for one in newcomers
        ),
    )
    places = bulk.insert(Membership, ("firm", "user"), ((firm.pk, user) for user in users))
    members = [Member(*pair) for pair in zip(users, places, strict=True)]
    pairs = list(zip(members, newcomers, strict=True))
    grant_roles(
        firm=firm,
        grants=[(member, role) for member, one in pairs for role in sorted(one.roles)],
    )
    return members


def grant_roles(*, firm: Firm, grants: Sequence[tuple[Member, Role]]) -> None:
    """Give members roles that they do not have yet; staff get the rights of staff."""
    bulk.insert(
        MembershipRole,
        ("firm", "membership", "role"),
        ((firm.pk, member.membership_id, role.value) for member, role in grants),
    )
    staff = {member.user_id for member, role in grants if role in STAFF_ROLES}
    if staff:
        User.objects.filter(pk__in=staff, is_staff=False).update(is_staff=True)
        through, group = User.groups.through, staff_group()
        through.objects.bulk_create(
            [through(user_id=user, group_id=group.pk) for user in sorted(staff)],
            ignore_conflicts=True,
        )


def revoke_roles(*, firm: Firm, revocations: Iterable[tuple[Member, Role]]) -> None:
    """Take roles from members."""
    gone = Q(pk__in=())
    by_role: dict[Role, list[int]] = {}
    for member, role in revocations:
        by_role.setdefault(role, []).append(member.membership_id)
    for role, memberships in by_role.items():
        gone |= Q(role=role, membership__in=memberships)
    MembershipRole.objects.filter(gone, firm=firm).delete()


def shut_out(*, firm: Firm, memberships: Iterable[int], by: Membership.BlockedBy) -> set[int]:
    """Make memberships inactive and end these people's sessions; return whose this changed.

    Their roles and accounts stay. Who works for another firm stays signed in there.
    """
    active = Membership.objects.filter(firm=firm, pk__in=list(memberships), is_active=True)
    users = dict(active.values_list("pk", "user"))
    Membership.objects.filter(pk__in=users, is_active=True).update(
        is_active=False, blocked_by=by, updated_at=timezone.now()
    )
    elsewhere = Membership.objects.filter(is_active=True, firm__is_active=True)
    sessions = UserSession.objects.filter(user__in=users.values(), user__is_superuser=False)
    sign_out(
        sessions=sessions.filter(
            Q(firm=firm) | Q(firm=None) & ~Q(user__in=elsewhere.values("user"))
        )
    )
    return set(users)


def let_in(*, firm: Firm, memberships: Iterable[int], by: Membership.BlockedBy) -> set[int]:
    """Make memberships active again that ``by`` had blocked; return whose this changed."""
    blocked = Membership.objects.filter(
        firm=firm, pk__in=list(memberships), is_active=False, blocked_by=by
    )
    found = set(blocked.values_list("pk", flat=True))
    Membership.objects.filter(pk__in=found, blocked_by=by).update(
        is_active=True, blocked_by=Blocked.NOBODY, updated_at=timezone.now()
    )
    return found
