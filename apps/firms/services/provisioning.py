"""Make a new firm that its owner can begin to work in (spec D5)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.firms.models import (
    Firm,
    Membership,
    MembershipRole,
    Role,
    User,
    validate_currency,
    validate_timezone,
)
from apps.firms.rights import staff_group
from apps.firms.services.baseline import apply_baseline, tiers

SHORTEST_SLUG = 3
LONGEST_EMAIL = 150  # it is the user's name, too


@dataclass(frozen=True)
class NewFirm:
    """A firm as somebody asks for it, and who is to own it."""

    name: str
    slug: str
    email: str
    password: str = field(repr=False)
    timezone: str
    currency: str
    tier: str

    @property
    def row(self) -> Firm:
        """The firm as it would be, unsaved; a new one begins with a trial."""
        return Firm(
            name=self.name,
            slug=self.slug,
            status=Firm.Status.TRIAL,
            timezone=self.timezone,
            currency=self.currency,
            tier=self.tier,
        )

    @property
    def owner(self) -> User | None:
        """Whoever has an account with the address already."""
        return User.objects.exclude(email="").filter(email__iexact=self.email).first()


@dataclass(frozen=True)
class Provisioned:
    """A firm that has been made."""

    firm: Firm
    owner: User
    is_new_owner: bool


def provision_firm(
    *,
    name: str,
    slug: str,
    admin_email: str,
    admin_password: str,
    timezone: str,
    currency: str,
    tier: str,
    must_change_password: bool,
    clock: Clock,
    dry_run: bool,
) -> Provisioned:
    """Create a firm in its trial, with its owner and everything that it needs to begin.

    Who has an account with the address already becomes the owner and keeps their password:
    otherwise this would be a way into other people's accounts. All in one transaction: a
    failure anywhere leaves nothing, and of two that want the same slug one is told so. The
    apps above give their part through ``settings.BASELINE``. Raises ``BadOption`` with every
    problem there is.
    """
    wanted = NewFirm(
        name=name.strip(),
        slug=slug,
        email=admin_email.strip().lower(),
        password=admin_password,
        timezone=timezone,
        currency=currency,
        tier=tier,
    )
    try:
        return _provision(wanted, must_change_password, clock, dry_run)
    except IntegrityError:
        # Somebody else was quicker. Looking again finds the slug taken, or the new account;
        # anything else fails again.
        return _provision(wanted, must_change_password, clock, dry_run)


def _provision(
    wanted: NewFirm, must_change_password: bool, clock: Clock, dry_run: bool
) -> Provisioned:
    with transaction.atomic():
        if problems := list(_problems(wanted)):
            raise BadOption(f"Invalid options: {'; '.join(problems)}.")
        firm = wanted.row
        firm.save(force_insert=True)
        known = wanted.owner
        owner = known or _new_user(wanted, must_change_password)
        _put_in_charge(owner, firm)
        apply_baseline(firm=firm, clock=clock)
        transaction.set_rollback(dry_run)
    return Provisioned(firm, owner, is_new_owner=known is None)


# ---- what is wrong with it ------------------------------------------------------------


def _problems(wanted: NewFirm) -> Iterator[str]:
    """Yield everything that speaks against a firm, each without its full stop."""
    yield from _name_problems(wanted)
    yield from _slug_problems(wanted)
    yield from _owner_problems(wanted)
    for check, value in (
        (validate_timezone, wanted.timezone),
        (validate_currency, wanted.currency),
    ):
        try:
            check(value)
        except ValidationError as error:
            yield from error.messages
    if wanted.tier not in tiers():
        yield f"unknown tier '{wanted.tier}'"


def _name_problems(wanted: NewFirm) -> Iterator[str]:
    longest = Firm._meta.get_field("name").max_length or 0
    if not wanted.name:
        yield "name is empty"
    elif len(wanted.name) > longest:
        yield f"name is longer than {longest} characters"
    elif not wanted.name.isprintable():
        yield "name has a line break or another character that cannot be printed"


def _slug_problems(wanted: NewFirm) -> Iterator[str]:
    try:
        Firm._meta.get_field("slug").clean(wanted.slug, wanted.row)
        well_formed = len(wanted.slug) >= SHORTEST_SLUG
    except ValidationError as error:
        if reserved := [text for text in error.messages if text.startswith("slug ")]:
            yield reserved[0]
            return
        well_formed = False
    if not well_formed:
        yield f"slug '{wanted.slug}' is not 3–63 of a–z, 0–9 and single hyphens"
    elif Firm.objects.filter(slug__iexact=wanted.slug).exists():
        yield f"slug '{wanted.slug}' is already taken"


def _owner_problems(wanted: NewFirm) -> Iterator[str]:
    known = wanted.owner
    if known is None:
        yield from _address_problems(wanted)
        yield from _password_problems(wanted)
    elif not known.is_active:
        yield f"the account of {wanted.email} is deactivated"


def _address_problems(wanted: NewFirm) -> Iterator[str]:
    try:
        validate_email(wanted.email)
    except ValidationError:
        yield f"invalid e-mail address '{wanted.email}'"
        return
    if len(wanted.email) > LONGEST_EMAIL:
        yield f"e-mail address is longer than {LONGEST_EMAIL} characters"
    elif User.objects.filter(username__iexact=wanted.email).exists():
        yield f"the user name {wanted.email} belongs to somebody with another address"


def _password_problems(wanted: NewFirm) -> Iterator[str]:
    try:
        validate_password(wanted.password, User(username=wanted.email, email=wanted.email))
    except ValidationError as error:
        for text in error.messages:
            yield _about_the_password(text)


def _about_the_password(text: str) -> str:
    """Turn a validator's ``This password is too common.`` into part of a sentence."""
    said = text.removeprefix("This ").removeprefix("The ").rstrip(".").replace(". It", ": it")
    return said if said.startswith("password") else f"password: {said}"


# ---- who owns it ----------------------------------------------------------------------


def _new_user(wanted: NewFirm, must_change_password: bool) -> User:
    user = User(
        username=wanted.email,
        email=wanted.email,
        timezone=wanted.timezone,
        must_change_password=must_change_password,
    )
    user.set_password(wanted.password)
    user.save(force_insert=True)
    return user


def _put_in_charge(user: User, firm: Firm) -> None:
    """Make somebody the owner of a new firm, with the rights of its staff."""
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    membership = Membership.objects.create(firm=firm, user=user)
    MembershipRole.objects.create(firm=firm, membership=membership, role=Role.OWNER)
    user.groups.add(staff_group())
