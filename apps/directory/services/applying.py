"""Do what was planned about people, many in one transaction."""

from collections import defaultdict
from collections.abc import Sequence

from django.utils import timezone

from apps.audit.services import event, record_all
from apps.core.reports import Item
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.directory.services.guarding import Guarded, active_owners
from apps.directory.services.planning import ACCOUNT, Action, Blocked, Change
from apps.firms.models import Membership, Role, User
from apps.firms.services import (
    Member,
    Newcomer,
    add_members,
    grant_roles,
    let_in,
    revoke_roles,
    shut_out,
)

_WORDS = {
    Action.CREATE: ("Created", "Would create"),
    Action.UPDATE: ("Updated", "Would update"),
    Action.DEACTIVATE: ("Deactivated", "Would deactivate"),
    Action.REACTIVATE: ("Reactivated", "Would reactivate"),
}
# What of an identity a run may write.
_REMEMBERED = (
    *("dn", "upn", "sam_account_name", "title", "state", "account_expires_at"),
    *("deactivated_by_sync", "updated_at"),
)

Changes = Sequence[Change]


def apply_changes(items: Sequence[Item[Change]], *, connection: DirectoryConnection) -> None:
    """Make, change, shut out and let in people, with an audit event for each of them."""
    by_action: dict[Action, list[Change]] = defaultdict(list)
    for item in items:
        change = item.thing
        by_action[change.action].append(change)
        item.does(change.effect, tally=change.action.value)
        done, would = _WORDS[change.action]
        line = change.identity.sam_account_name
        if change.action == Action.UPDATE:
            line += f" ({', '.join(change.fields)})"
        item.says(f"{done}: {line}", would=f"{would}: {line}")
    _create(by_action[Action.CREATE], connection)
    known = [item.thing for item in items if item.thing.known is not None]
    _write_accounts(known)
    _write_identities(known)
    _let_in(by_action[Action.REACTIVATE], connection)
    _shut_out(by_action[Action.DEACTIVATE], connection)
    _change_roles(known, connection)
    if any(_loses_owner(change) for change in known) and not active_owners(connection.firm):
        raise Guarded("Refusing to deactivate the last active owner.")
    record_all(
        event(f"directory_person_{change.action.value}", _place(change), changes=_told(change))
        for change in known
    )


# ---- who is new -----------------------------------------------------------------------------


def _create(changes: Changes, connection: DirectoryConnection) -> None:
    if not changes:
        return
    firm = connection.firm
    members = add_members(
        firm=firm,
        newcomers=[Newcomer(**change.account, roles=change.grants) for change in changes],
    )
    identities = [change.identity for change in changes]
    for identity, member in zip(identities, members, strict=True):
        identity.pk, identity.user_id = None, member.user_id
    DirectoryIdentity.objects.bulk_create(identities)
    record_all(
        event(
            "directory_person_created",
            Membership(pk=member.membership_id, firm=firm),
            changes={"roles": sorted(change.grants)},
        )
        for change, member in zip(changes, members, strict=True)
    )


# ---- who is known ---------------------------------------------------------------------------


def _write_accounts(changes: Changes) -> None:
    written = {c.identity.user_id: c.account for c in changes if c.account}
    if not written:
        return
    users = list(User.objects.filter(pk__in=written))
    for user in users:
        for name, value in written[user.pk].items():
            setattr(user, name, value)
    User.objects.bulk_update(users, ACCOUNT)


def _write_identities(changes: Changes) -> None:
    new = [change.identity for change in changes if change.links]
    for identity in new:
        identity.pk = None  # as it was before a batch that was rolled back
    DirectoryIdentity.objects.bulk_create(new)
    old = [change.identity for change in changes if not change.links]
    for identity in old:
        identity.updated_at = timezone.now()
    DirectoryIdentity.objects.bulk_update(old, _REMEMBERED)


def _let_in(changes: Changes, connection: DirectoryConnection) -> None:
    let_in(firm=connection.firm, memberships=_places(changes), by=Blocked.DIRECTORY)


def _shut_out(changes: Changes, connection: DirectoryConnection) -> None:
    shut_out(firm=connection.firm, memberships=_places(changes), by=Blocked.DIRECTORY)


def _change_roles(changes: Changes, connection: DirectoryConnection) -> None:
    grants: list[tuple[Member, Role]] = []
    revocations: list[tuple[Member, Role]] = []
    for change in changes:
        assert change.known is not None
        if change.grants or change.revokes:
            member = change.known.member
            grants += [(member, role) for role in sorted(change.grants)]
            revocations += [(member, role) for role in sorted(change.revokes)]
    if revocations:
        revoke_roles(firm=connection.firm, revocations=revocations)
    if grants:
        grant_roles(firm=connection.firm, grants=grants)


def _places(changes: Changes) -> list[int]:
    return [change.known.member.membership_id for change in changes if change.known]


def _place(change: Change) -> Membership | DirectoryIdentity:
    """Return the row that an audit event is about: a place in the firm, if there is one."""
    assert change.known is not None
    return change.known.membership or change.identity


def _told(change: Change) -> dict[str, list[str]]:
    """Return what the audit trail says of a change: what changed, never of whom or to what."""
    told: dict[str, list[str]] = {
        "fields": list(change.fields),
        "granted": [role.value for role in sorted(change.grants)],
        "revoked": [role.value for role in sorted(change.revokes)],
    }
    return {name: words for name, words in told.items() if words}


def _loses_owner(change: Change) -> bool:
    if change.known is None or Role.OWNER not in change.known.roles:
        return False
    return change.action == Action.DEACTIVATE or Role.OWNER in change.revokes
