"""sync_ad guesses nothing: a doubtful case is noted, and the rest goes on (spec D15)."""

from datetime import UTC, datetime

import pytest

from apps.contacts.models import Tombstone
from apps.contacts.services import bury
from apps.directory.models import DirectoryIdentity
from apps.discrepancies.models import Discrepancy
from apps.firms.models import User
from tests import factories as make
from tests.directory.syncing import account, connect, failing, figures, person, roles, sync
from tests.servers.standin import StandIn

pytestmark = pytest.mark.django_db


def open_issues() -> set[tuple[str, str]]:
    issues = Discrepancy.objects.filter(status="open")
    return set(issues.values_list("label", "kind"))


def test_an_address_of_somebody_else_is_left_and_the_rest_is_updated(
    stand_in: StandIn,
) -> None:
    other = make.UserFactory(email="Taken@corp.example")
    ann = stand_in.add_person("a.berg", mail="ann@corp.example", sn="Berg")
    connection = connect(stand_in)
    sync(connection.firm)
    stand_in.change(ann, mail="taken@corp.example", sn="Lind")
    lines = sync(connection.firm)
    assert lines[1:3] == [
        "  ✓ Updated: a.berg (last name)",
        "  ⚠ Conflict: a.berg: has an address in the directory but it belongs to another "
        "account here",
    ]
    assert figures(lines) == {"Updated": 1, "Conflicts": 1}
    assert account(connection, ann).email == "ann@corp.example"
    assert open_issues() == {("a.berg", "address_taken")}
    # It is not news the second time, and it is settled when the directory says otherwise.
    assert figures(sync(connection.firm, full_sync=True)) == {"Conflicts": 1, "Unchanged": 1}
    assert Discrepancy.objects.get().occurrences == 2
    stand_in.change(ann, mail="ann.lind@corp.example")
    assert figures(sync(connection.firm)) == {"Updated": 1}
    assert open_issues() == set()
    other.refresh_from_db()
    assert other.email == "Taken@corp.example"


def test_an_address_of_several_people_makes_and_links_nobody(stand_in: StandIn) -> None:
    for name in ("a.berg", "b.lind"):
        stand_in.add_person(name, mail="office@corp.example")
    stand_in.add_person("c.moss", mail="ann@corp.example", userPrincipalName="bob@corp.example")
    connection = connect(stand_in)
    for name in ("ann", "bob"):
        make.MembershipFactory(firm=connection.firm, user__email=f"{name}@corp.example")
    assert figures(sync(connection.firm)) == {"Conflicts": 3}
    assert not DirectoryIdentity.objects.exists()
    assert open_issues() == {
        (name, "address_shared") for name in ("a.berg", "b.lind", "c.moss")
    }


def test_an_account_in_use_elsewhere_keeps_its_address_and_name(stand_in: StandIn) -> None:
    ann = stand_in.add_person("a.berg", mail="ann@corp.example", givenName="Ann")
    connection = connect(stand_in)
    user = make.UserFactory(email="ann@corp.example", first_name="Anna")
    make.MembershipFactory(firm=connection.firm, user=user)
    make.MembershipFactory(user=user)
    assert sync(connection.firm)[1] == "  ✓ Updated: a.berg (linked)"
    stand_in.change(ann, mail="taken-over@corp.example")
    assert figures(sync(connection.firm)) == {"Conflicts": 1, "Unchanged": 1}
    user.refresh_from_db()
    assert (user.email, user.first_name) == ("ann@corp.example", "Anna")


def test_who_is_disabled_is_neither_made_nor_linked(stand_in: StandIn) -> None:
    connection = connect(stand_in)
    local = make.MembershipFactory(firm=connection.firm, user__email="ann@corp.example")
    stand_in.add_person("a.berg", mail="ann@corp.example", control=514)
    stand_in.add_person("b.lind", control=514)
    assert figures(sync(connection.firm)) == {}
    local.refresh_from_db()
    assert local.is_active
    assert not DirectoryIdentity.objects.exists()


def test_who_was_erased_is_not_brought_back(stand_in: StandIn) -> None:
    by_id = stand_in.add_person("a.berg")
    stand_in.add_person("b.lind", mail="Bob@corp.example")
    stand_in.add_person("c.moss")
    connection = connect(stand_in)
    kinds = {
        Tombstone.Kind.DIRECTORY: [by_id],
        Tombstone.Kind.EMAIL: ["bob@corp.example"],
    }
    bury(firm_id=connection.firm.pk, former=kinds, erased_at=datetime(2025, 1, 1, tzinfo=UTC))
    lines = sync(connection.firm, verbosity=2)
    assert "  - 2 not brought back: erased at their request" in lines
    assert [one.sam_account_name for one in DirectoryIdentity.objects.all()] == ["c.moss"]
    # A tombstone of one firm says nothing in another.
    other = connect(stand_in)
    assert figures(sync(other.firm))["Created"] == 3


def test_names_that_are_taken_get_the_firms(stand_in: StandIn) -> None:
    make.UserFactory(username="j.doe")
    first = stand_in.add_person("J.Doe")
    connection = connect(stand_in)
    sync(connection.firm)
    assert account(connection, first).username == f"j.doe@{connection.firm.slug}"
    other = connect(stand_in, base_dn=stand_in.add_unit("Other"), firm=make.FirmFactory())
    second = stand_in.add_person("j.d oe", unit=other.base_dn)
    sync(other.firm)
    assert account(other, second).username == "j.d-oe"


def test_blank_attributes_wipe_only_where_the_directory_is_the_authority(
    stand_in: StandIn,
) -> None:
    ann = stand_in.add_person("a.berg", givenName="Ann", sn="Berg", description="Partner")
    connection = connect(stand_in)
    make.MappedAttributeFactory(
        connection=connection, field="last_name", attribute="sn", is_authoritative=True
    )
    make.MappedAttributeFactory(connection=connection, field="title", attribute="description")
    sync(connection.firm)
    assert person(connection, ann).title == "Partner"
    stand_in.change(ann, givenName=[], sn=[], description=[])
    assert sync(connection.firm)[1] == "  ✓ Updated: a.berg (last name)"
    user = account(connection, ann)
    assert (user.first_name, user.last_name) == ("Ann", "")
    assert person(connection, ann).title == "Partner"


def test_what_is_no_address_is_none(stand_in: StandIn) -> None:
    for number, mail in enumerate(("a@b", "x" * 300 + "@corp.example", "a b@corp.example")):
        stand_in.add_person(f"p{number}", mail=mail)
    connection = connect(stand_in)
    assert figures(sync(connection.firm)) == {"Created": 3}
    assert set(User.objects.values_list("email", flat=True)) == {""}


def test_who_fails_is_read_again_and_spares_the_rest(stand_in: StandIn) -> None:
    ann, bob = stand_in.add_person("a.berg"), stand_in.add_person("b.lind")
    connection = connect(stand_in)
    slug = connection.firm.slug
    names = ("a.berg", f"a.berg@{slug}", f"a.berg-{ann[:8]}@{slug}", ann)
    taken = [make.UserFactory(username=name) for name in names]  # nothing is left for her
    error, lines = failing(connection.firm)
    assert error == "1 item(s) failed; see the log."
    assert "  ✗ a.berg: IntegrityError" in lines
    assert figures(lines) == {"Created": 1}
    connection.refresh_from_db()
    assert (connection.last_usn, connection.last_full_sync_at) == (None, None)
    assert connection.problem == "1 could not be synchronized."
    taken[0].delete()
    assert figures(sync(connection.firm)) == {"Created": 1, "Unchanged": 1}
    connection.refresh_from_db()
    assert connection.last_usn is not None
    assert connection.problem == ""
    assert {one.object_guid for one in connection.identities.all()} == {ann, bob}


def test_asks_for_an_enabled_directory_of_a_firm_that_is_served(stand_in: StandIn) -> None:
    firm = make.FirmFactory()
    assert failing(firm) == (
        f"Active Directory integration is not enabled for firm {firm.pk}.", []
    )  # fmt: skip
    connection = connect(stand_in, firm=firm, is_enabled=False)
    assert failing(firm)[0].startswith("Active Directory integration is not enabled")
    assert failing(firm_id=999_999)[0] == "Firm with ID 999999 does not exist."
    connection.is_enabled = True
    connection.save()
    firm.status = "suspended"
    firm.save()
    assert sync(firm)[0] == f"Firm {firm.pk} is suspended; skipped."
    assert figures(sync()) == {}


def test_roles_are_told_apart_by_their_groups(stand_in: StandIn) -> None:
    ann = stand_in.add_person("a.berg")
    connection = connect(stand_in, default_role="client")
    for role in ("manager", "contractor"):
        group = stand_in.add_group(role, ann)
        make.MappedGroupFactory(connection=connection, group_dn=group, role=role)
    stand_in.add_person("b.lind")
    sync(connection.firm)
    assert roles(connection, ann) == {"manager", "contractor"}
    by_name = dict(User.objects.values_list("username", "is_staff"))
    assert by_name == {"a.berg": True, "b.lind": False}
