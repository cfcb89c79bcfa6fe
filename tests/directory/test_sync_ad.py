"""sync_ad …, with Samba and with its stand-in alike (spec D15)."""

import pytest

from apps.audit.models import AuditEvent
from apps.directory.models import DirectoryIdentity
from apps.discrepancies.models import Discrepancy
from apps.firms.models import Membership, User
from apps.firms.rights import STAFF
from tests import factories as make
from tests.directory.syncing import (
    account,
    connect,
    figures,
    person,
    place,
    roles,
    sync,
)
from tests.servers.directories import ActiveDirectory

pytestmark = pytest.mark.django_db


def test_gives_new_people_an_account_without_a_password_and_the_usual_role(
    ad: ActiveDirectory,
) -> None:
    ann = ad.add_person(
        "a.berg", givenName="Ann", sn="Bërg", mail="ann@corp.example", title="Partner"
    )
    firm = connect(ad).firm
    name = ad.account(ann)
    assert sync(firm, dry_run=True)[1] == f"  ✓ Would create: {name}"
    assert not User.objects.exists()
    assert sync(firm) == [
        f"Synchronizing users for firm: {firm} (ID: {firm.pk}) [full]",
        f"  ✓ Created: {name}",
        "",
        "Summary:",
        "  Created: 1",
        "  Updated: 0",
        "  Deactivated: 0",
        "  Reactivated: 0",
        "  Conflicts: 0",
        "  Unchanged: 0",
    ]
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == (
        name, "Ann Bërg", "ann@corp.example"
    )  # fmt: skip
    assert user.is_staff
    assert not user.has_usable_password()
    assert [group.name for group in user.groups.all()] == [STAFF]
    assert roles(firm.directory, ann) == {"staff"}
    identity = person(firm.directory, ann)
    assert (identity.state, identity.title, identity.dn) == ("active", "Partner", ad.dn(ann))
    [event] = AuditEvent.objects.filter(action="directory_person_created")
    assert (event.firm, event.actor_label, event.changes) == (
        firm, "system", {"roles": ["staff"]}
    )  # fmt: skip


def test_follows_a_person_by_their_id_through_every_name(ad: ActiveDirectory) -> None:
    ann = ad.add_person("a.berg", givenName="Ann", sn="Berg", mail="ann@corp.example")
    connection = connect(ad)
    sync(connection.firm)
    ad.change(ann, sn="Lind", mail="ann.lind@corp.example", title="Partner")
    ad.move(ann, name="Ann Lind", unit=ad.add_unit("Partners"))
    lines = sync(connection.firm)
    assert lines[0].endswith("[incremental]")
    assert lines[1] == (
        f"  ✓ Updated: {ad.account(ann)} (last name, email, place, title)"
    )  # fmt: skip
    assert figures(lines) == {"Updated": 1}
    user = User.objects.get()
    assert (user.last_name, user.email) == ("Lind", "ann.lind@corp.example")
    assert person(connection, ann).dn == ad.dn(ann)
    assert figures(sync(connection.firm)) == {"Unchanged": 1}
    assert figures(sync(connection.firm, full_sync=True)) == {"Unchanged": 1}


def test_shuts_out_who_is_disabled_and_lets_them_in_again(ad: ActiveDirectory) -> None:
    ann, bob = ad.add_person("a.berg"), ad.add_person("b.lind")
    connection = connect(ad)
    sync(connection.firm)
    ad.change(ann, userAccountControl="66082")  # disabled, and a password that never expires
    lines = sync(connection.firm)
    assert lines[1] == f"  ✓ Deactivated: {ad.account(ann)}"
    assert figures(lines) == {"Deactivated": 1, "Unchanged": 1}
    membership = place(connection, ann)
    assert (membership.is_active, membership.blocked_by) == (False, "directory")
    assert roles(connection, ann) == {"staff"}
    assert account(connection, ann).is_active
    assert person(connection, ann).state == "disabled"
    assert place(connection, bob).is_active
    ad.change(ann, userAccountControl="560")  # locked out, which is no more than that
    lines = sync(connection.firm)
    assert lines[1] == f"  ✓ Reactivated: {ad.account(ann)}"
    membership = place(connection, ann)
    assert (membership.is_active, membership.blocked_by) == (True, "")
    actions = AuditEvent.objects.filter(object_id=str(membership.pk)).order_by("pk")
    assert [event.action.removeprefix("directory_person_") for event in actions] == [
        "created", "deactivated", "reactivated"
    ]  # fmt: skip


def test_shuts_out_who_is_deleted_by_the_tombstone(ad: ActiveDirectory) -> None:
    ann = ad.add_person("a.berg")
    ad.add_person("b.lind")
    connection = connect(ad)
    sync(connection.firm)
    ad.remove(ann)
    lines = sync(connection.firm)
    assert lines[0].endswith("[incremental]")
    assert figures(lines) == {"Deactivated": 1, "Unchanged": 1}
    assert person(connection, ann).state == "tombstoned"
    assert not place(connection, ann).is_active
    assert figures(sync(connection.firm, full_sync=True)) == {"Unchanged": 2}
    assert person(connection, ann).state == "tombstoned"


def test_shuts_out_who_has_moved_away_only_when_it_has_read_everything(
    ad: ActiveDirectory,
) -> None:
    below = ad.add_unit("Staff")
    ann = ad.add_person("a.berg", unit=below)
    connection = connect(ad, base_dn=below)
    sync(connection.firm)
    ad.move(ann, name="a.berg", unit=ad.unit)
    assert figures(sync(connection.firm)) == {"Unchanged": 1}
    assert place(connection, ann).is_active
    lines = sync(connection.firm, full_sync=True)
    assert figures(lines) == {"Deactivated": 1}
    assert person(connection, ann).state == "missing"
    ad.move(ann, name="a.berg", unit=below)
    assert figures(sync(connection.firm)) == {"Reactivated": 1}


def test_gives_and_takes_the_roles_of_groups_and_leaves_others(ad: ActiveDirectory) -> None:
    ann, bob = ad.add_person("a.berg"), ad.add_person("b.lind")
    group = ad.add_group("managers", ad.add_group("inner", ann))
    connection = connect(ad)
    make.MappedGroupFactory(connection=connection, group_dn=group, role="manager")
    sync(connection.firm)
    assert roles(connection, ann) == {"manager"}
    assert roles(connection, bob) == {"staff"}
    place(connection, ann).roles.create(firm=connection.firm, role="contractor")
    ad.change(group, member=[bob])  # which changes neither person
    lines = sync(connection.firm)
    assert lines[0].endswith("[incremental]")
    assert sorted(lines[1:3]) == sorted(
        f"  ✓ Updated: {ad.account(one)} (roles)" for one in (ann, bob)
    )
    assert roles(connection, ann) == {"contractor"}
    assert roles(connection, bob) == {"manager", "staff"}
    assert figures(sync(connection.firm)) == {"Unchanged": 2}


def test_links_the_member_whose_address_it_is(ad: ActiveDirectory) -> None:
    by_mail = ad.add_person("a.berg", mail="Ann@Corp.example", givenName="Ann")
    by_name = ad.add_person("b.lind", userPrincipalName="bob@corp.example")
    connection = connect(ad)
    ann, bob = (
        make.MembershipFactory(firm=connection.firm, user__email=f"{name}@corp.example").user
        for name in ("ann", "bob")
    )
    lines = sync(connection.firm)
    assert figures(lines) == {"Updated": 2}
    assert f"  ✓ Updated: {ad.account(by_mail)} (linked, first name, email)" in lines
    assert f"  ✓ Updated: {ad.account(by_name)} (linked)" in lines
    assert account(connection, by_mail) == ann
    assert account(connection, by_name) == bob
    assert roles(connection, by_mail) == {"admin"}
    assert figures(sync(connection.firm, full_sync=True)) == {"Unchanged": 2}


def test_leaves_the_neighbour_and_people_of_no_directory_alone(ad: ActiveDirectory) -> None:
    neighbour = make.MembershipFactory(user__email="ann@corp.example")
    local = make.MembershipFactory()
    connect(ad, firm=local.firm)
    ad.add_person("a.berg", mail="ann@corp.example")
    before = set(Membership.objects.values_list())
    lines = sync(local.firm)
    assert figures(lines) == {"Conflicts": 1}
    assert set(Membership.objects.values_list()) == before
    assert not DirectoryIdentity.objects.exists()
    [issue] = Discrepancy.objects.all()
    assert (issue.firm, issue.kind, issue.source) == (local.firm, "address_taken", "directory")
    assert issue.firm != neighbour.firm
