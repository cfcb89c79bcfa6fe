"""What we know of a firm's people before a directory is heard."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower

from apps.contacts.models import Tombstone
from apps.contacts.services import find_tombstones
from apps.core.batches import batched
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.firms.models import Membership, MembershipRole, Role, User
from apps.firms.services import Member
from apps.integrations.directory import Person


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whose entry of the directory is linked to their account."""

    identity: DirectoryIdentity
    membership: Membership | None  # none: somebody took it away, and it stays away
    roles: frozenset[Role]
    is_shared: bool  # the account is not this firm's alone

    @property
    def is_active(self) -> bool:
        return self.membership is not None and self.membership.is_active

    @property
    def member(self) -> Member:
        assert self.membership is not None
        return Member(self.identity.user_id, self.membership.pk)


def linked_people(connection: DirectoryConnection) -> dict[str, Known]:
    """Return everybody who is linked, by the directory's id; four queries."""
    identities = list(connection.identities.select_related("user"))
    users = {identity.user_id for identity in identities}
    ours = connection.firm.memberships.filter(user__directory_identities__connection=connection)
    memberships = {one.user_id: one for one in ours}
    roles: dict[int, set[Role]] = defaultdict(set)
    held = MembershipRole.objects.filter(membership__in=ours)
    for place, role in held.values_list("membership", "role"):
        roles[place].add(Role(role))
    elsewhere = Membership.objects.exclude(firm=connection.firm_id).filter(
        user__directory_identities__connection=connection
    )
    shared = set(elsewhere.values_list("user", flat=True)) & users
    known = {}
    for identity in identities:
        membership = memberships.get(identity.user_id)
        known[identity.object_guid] = Known(
            identity,
            membership,
            frozenset(roles[membership.pk]) if membership else frozenset(),
            identity.user_id in shared or identity.user.is_superuser,
        )
    return known


def unlinked_members(connection: DirectoryConnection) -> dict[str, list[Known]]:
    """Return the firm's people without a link, by their address in lower case."""
    found: dict[str, list[Known]] = defaultdict(list)
    rows = connection.firm.memberships.exclude(
        user__in=connection.identities.values("user")
    ).exclude(user__email="")
    rows = rows.filter(user__is_active=True).select_related("user").prefetch_related("roles")
    elsewhere = Membership.objects.exclude(firm=connection.firm_id)
    rows = rows.annotate(shared=Exists(elsewhere.filter(user=OuterRef("user"))))
    for membership in rows:
        identity = DirectoryIdentity(
            firm_id=connection.firm_id, connection=connection, user=membership.user
        )
        roles = frozenset(Role(one.role) for one in membership.roles.all())
        is_shared = membership.shared or membership.user.is_superuser
        known = Known(identity, membership, roles, is_shared)
        found[membership.user.email.lower()].append(known)
    return found


def holders_of(addresses: Iterable[str]) -> dict[str, int]:
    """Return whose account has each of these addresses in lower case, wherever they work."""
    found: dict[str, int] = {}
    for some in batched(sorted(set(addresses))):
        users = User.objects.alias(lower=Lower("email")).filter(lower__in=some)
        found |= {email.lower(): pk for email, pk in users.values_list("email", "pk")}
    return found


def taken_names(names: Iterable[str]) -> set[str]:
    """Return which of these names of accounts somebody has."""
    found: set[str] = set()
    for some in batched(sorted(set(names))):
        users = User.objects.filter(username__in=some)
        found |= set(users.values_list("username", flat=True))
    return found


def erased(firm_id: int, people: Iterable[Person]) -> set[str]:
    """Return the ids of those who were erased, and whom no machine brings back (spec D8)."""
    found: set[str] = set()
    for some in batched(people):
        by_mail: dict[str, set[str]] = defaultdict(set)
        for person in some:
            for address in addresses_of(person):
                by_mail[address].add(person.guid)
        gone = find_tombstones(
            firm_id=firm_id,
            kind=Tombstone.Kind.DIRECTORY,
            values=[person.guid for person in some],
        )
        mail = find_tombstones(firm_id=firm_id, kind=Tombstone.Kind.EMAIL, values=by_mail)
        found |= gone.union(*(by_mail[address] for address in mail))
    return found


def addresses_of(person: Person) -> set[str]:
    """Return what may be somebody's address, in lower case: their mail, their sign-in name."""
    return {text.lower() for text in (person.values.get("email", ""), person.upn) if text}
