"""Who has a second factor, and who must have one."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from apps.access.models import Authenticator
from apps.firms.models import MembershipRole, User
from apps.firms.rights import STAFF_ROLES


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with somebody's second factor."""

    has: bool
    must: bool


def standing(*, user: User) -> Standing:
    """Return whether somebody has a second factor, and whether they must have one.

    They must where ``REQUIRE_SECOND_FACTOR`` names their kind, or where a firm that they
    work for asks its people for it. One query, or none for somebody who was loaded with it.
    """
    if not hasattr(user, "has_factor"):
        user = with_standing(User.objects.filter(pk=user.pk)).get()
    has_one, firm_asks = user.has_factor, user.firm_asks_for_factor  # type: ignore[attr-defined]
    return Standing(has=has_one, must=firm_asks or _platform_asks(user))


def with_standing(people: "QuerySet[User]") -> "QuerySet[User]":
    """Load with people what ``standing`` has to know of them."""
    asked = MembershipRole.objects.filter(
        membership__user=OuterRef("pk"),
        membership__is_active=True,
        role__in=STAFF_ROLES,
        firm__settings__require_second_factor=True,
    )
    has = Authenticator.objects.filter(user=OuterRef("pk"), confirmed=True)
    return people.annotate(has_factor=Exists(has), firm_asks_for_factor=Exists(asked))


def _platform_asks(user: User) -> bool:
    match settings.REQUIRE_SECOND_FACTOR:
        case "staff":
            return user.is_staff or user.is_superuser
        case "superusers":
            return user.is_superuser
    return False
