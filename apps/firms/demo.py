"""The demo firms and the people in them; and how all demo data come and go (spec D16)."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models import Q

from apps.core.days import Clock
from apps.core.demo import World
from apps.core.problems import Problem
from apps.firms.models import Firm, FirmSettings, Membership, MembershipRole, Role, User
from apps.firms.rights import STAFF_ROLES, staff_group
from apps.firms.services.baseline import keep_for_usual


def seed(world: World) -> None:
    """Make the demo firms with their settings and staff."""
    staff_rights = staff_group()
    entries = world.fixture("firms")
    for entry in entries:
        people = entry.pop("people")
        firm = Firm.objects.create(**entry, status=Firm.Status.ACTIVE, is_demo=True)
        FirmSettings.objects.create(firm=firm)
        keep_for_usual(firm=firm)
        for person in people:
            add_person(world, firm, person, rights=staff_rights)
        world.count("people", len(people))
    world.count("firms", len(entries))


def add_person(
    world: World, firm: Firm, person: dict[str, Any], *, rights: Group | None = None
) -> User:
    """Make a demo user and their membership; who was erased everywhere stays nobody."""
    roles = [Role(role) for role in person["roles"]]
    email = f"{person['username'].replace('_', '.')}@{firm.slug}.example"
    names = person["first_name"], person["last_name"]
    if world.is_erased(email):
        email, names = "", ("Erased", "person")
    user = User.objects.create(
        username=person["username"],
        first_name=names[0],
        last_name=names[1],
        email=email,
        password=world.password,
        is_staff=bool(STAFF_ROLES.intersection(roles)),
        timezone=firm.timezone,
    )
    active = person.get("active", True)
    blocked = Membership.BlockedBy.NOBODY if active else Membership.BlockedBy.MANUAL
    membership = Membership.objects.create(
        firm=firm, user=user, is_active=active, blocked_by=blocked
    )
    MembershipRole.objects.bulk_create(
        MembershipRole(firm=firm, membership=membership, role=role) for role in roles
    )
    if user.is_staff and rights:
        user.groups.add(rights)
    return user


# ---- all demo data ------------------------------------------------------------------------


@transaction.atomic
def seed_all(clock: Clock) -> World | None:
    """Make all demo data, app by app, in one transaction; nothing when there are some.

    Raises ``Problem`` when a firm that is not a demo has the name of one.
    """
    if Firm.objects.filter(is_demo=True).exists():
        return None
    data = import_module("project.demo_data")
    world = World(clock, find_erased=data.find_erased)
    wanted = [entry["slug"] for entry in world.fixture("firms")]
    if taken := Firm.objects.filter(slug__in=wanted).first():
        raise Problem(f"Firm '{taken.slug}' exists and is no demo firm; nothing created.")
    for module in data.SEEDERS:
        module.seed(world)
    return world


def demo_rows() -> Iterator["models.QuerySet[Any]"]:
    """Yield what belongs to demo firms, one queryset per table, the firms themselves last.

    Found through the ``firm`` column that every tenant table has, so that a table added
    next year cannot be forgotten.
    """
    for model in apps.get_models(include_auto_created=True):
        if model is Firm or not model._meta.managed:  # a report of other tables' rows
            continue
        fields = {f.name: f for f in model._meta.concrete_fields if f.related_model}
        if fields.get("firm") and fields["firm"].related_model is Firm:
            yield model._default_manager.filter(firm__is_demo=True)
        elif model._meta.auto_created:
            for name, f in fields.items():
                if _has_firm(f.related_model):
                    yield model._default_manager.filter(**{f"{name}__firm__is_demo": True})
                    break
    yield Firm.objects.filter(is_demo=True)


def demo_users() -> "models.QuerySet[User]":
    """Return the people who belong to demo firms only; never a superuser."""
    in_demo = Membership.objects.filter(firm__is_demo=True).values("user")
    elsewhere = Membership.objects.filter(firm__is_demo=False).values("user")
    return User.objects.filter(pk__in=in_demo, is_superuser=False).exclude(pk__in=elsewhere)


def count_rows() -> int:
    """Count everything that ``clear_all`` would delete."""
    return sum(rows.count() for rows in demo_rows()) + demo_users().count()


@transaction.atomic
def clear_all() -> int:
    """Delete demo firms and everything of theirs, and nothing else; return the row count.

    Raw deletes, because foreign keys are checked at the commit: by then all of them are gone.
    """
    for module in import_module("project.demo_data").SEEDERS:
        if hasattr(module, "clear"):
            module.clear()
    users = list(demo_users().values_list("pk", flat=True))
    deleted = sum(rows._raw_delete(rows.db) for rows in demo_rows())
    leftover = User.objects.filter(Q(pk__in=users))
    deleted += leftover.count()
    leftover.delete()
    return deleted


def _has_firm(model: Any) -> bool:
    return any(
        f.name == "firm" and f.related_model is Firm for f in model._meta.concrete_fields
    )
