"""What firms hold about people, and what Django's own tables do."""

from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db.models import Q

from apps.core.batches import by_key
from apps.core.personal import (
    AT_ERASURE,
    Basis,
    Blocker,
    Fate,
    Found,
    Holding,
    People,
    by_user,
    read_signed,
)
from apps.firms.models import (
    Firm,
    FirmSettings,
    LegalHold,
    Membership,
    MembershipRole,
    RetentionPolicy,
    Role,
    User,
    UserSession,
)
from apps.firms.rights import in_charge
from apps.firms.services import holds_of, sign_out


def _nobody(key: Any) -> str:
    """Return what an erased account is called; the same whenever it is asked."""
    return f"erased-{uuid5(NAMESPACE_OID, f'firms.user:{key}')}"


def _sessions(people: People) -> Q:
    recorded = UserSession.objects.filter(user__in=people.users)
    return Q(session_key__in=recorded.values("session_key"))


def _sessions_speaking_of(found: Found) -> Iterator[str]:
    """Yield the keys of sessions in which somebody is spoken of: messages wait there."""
    for session in by_key(Session.objects.all()):
        if found(read_signed(session.session_data)):
            yield session.pk


HOLDINGS = (
    # ---- who is signed in where ---------------------------------------------------------
    # Before what it is found by.
    Holding(
        Session,
        category="sign-ins",
        of=_sessions,
        firm="",
        basis=Basis.OBSERVED,
        told=("session_data",),
        secret=("session_key",),
        search=_sessions_speaking_of,
    ),
    Holding(
        UserSession,
        category="sign-ins",
        of=by_user("user"),
        basis=Basis.OBSERVED,
        exports=("last_activity_at", "expires_at"),
        secret=("session_key",),
        # With the sessions, which belong to no firm: nothing finds them once this has gone.
        erase=lambda sign_ins: sign_out(sessions=sign_ins),
    ),
    # ---- who works where ----------------------------------------------------------------
    Holding(
        MembershipRole,
        category="memberships",
        of=by_user("membership__user"),
        basis=Basis.DERIVED,
        exports=("role",),
    ),
    Holding(
        Membership,
        category="memberships",
        of=by_user("user"),
        basis=Basis.DERIVED,
        exports=("is_active", "blocked_by", "created_at"),
    ),
    Holding(
        User.groups.through,
        category="rights",
        of=by_user("user"),
        firm="",
        basis=Basis.DERIVED,
        exports=("group__name",),
    ),
    Holding(
        User.user_permissions.through,
        category="rights",
        of=by_user("user"),
        firm="",
        basis=Basis.DERIVED,
        exports=("permission__name",),
    ),
    # ---- the account --------------------------------------------------------------------
    Holding(
        User,
        category="profile",
        of=lambda people: Q(pk__in=people.users),
        firm="",
        exports=(
            *("username", "first_name", "last_name", "email", "timezone"),
            *("date_joined", "last_login"),
        ),
        fate=Fate.ANONYMISE,
        becomes={
            "username": _nobody,
            "email": lambda key: f"{_nobody(key)}@invalid.example",
            "first_name": "",
            "last_name": "",
            "timezone": "",
            "password": lambda key: make_password(None),
            "last_login": None,
            "is_active": False,
            "is_staff": False,
            "is_superuser": False,
            "must_change_password": False,
            "erased_at": AT_ERASURE,
        },
        secret=("password",),
    ),
    # ---- firms --------------------------------------------------------------------------
    Holding(
        LegalHold,
        authors=("placed_by", "released_by"),
        told=("reason",),
    ),
    Holding(RetentionPolicy),
    Holding(
        FirmSettings,
        becomes={"reply_to": ""},
        told=("reply_to",),
        plain=(
            "invoice_prefix",
            *("file_request_days_before", "file_request_days_after_asking"),
        ),
    ),
    Holding(
        Firm,
        firm="pk",
        told=("suspension_reason",),
        # The name is the firm's, also where it is a person's: it goes with the firm.
        plain=("name", "slug", "timezone", "currency", "locale", "country", "tier"),
    ),
    # ---- Django's own -------------------------------------------------------------------
    Holding(
        LogEntry,
        category="audit trail",
        of=by_user("user"),  # whom Django lets no row do without
        firm="",
        basis=Basis.OBSERVED,
        fate=Fate.ANONYMISE,
        told=("object_repr", "change_message"),
        plain=("object_id",),
    ),
    Holding(Group.permissions.through, firm=""),
    Holding(Group, firm="", plain=("name",)),
    Holding(Permission, firm="", plain=("name", "codename")),
    Holding(ContentType, firm="", plain=("app_label", "model")),
)


# ---- what has to be settled before somebody can be erased -------------------------------


def last_owner(people: People, firm_id: int) -> Iterator[str]:
    """Say so when nobody else could answer for the firm."""
    owners = in_charge([firm_id], roles=[Role.OWNER]).get(firm_id, [])
    if owners and all(owner.pk in people.users for owner in owners):
        yield "the firm would be left without an owner"


def whole_firm_held(people: People, firm_id: int) -> Iterator[str]:
    """Say so when everything of the firm must stay as it is."""
    if holds_of(firm_id).everything:
        yield "the whole firm is under a legal hold"


BLOCKERS: tuple[Blocker, ...] = (last_owner, whole_firm_held)
