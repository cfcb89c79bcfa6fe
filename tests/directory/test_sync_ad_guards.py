"""sync_ad changes nothing when … (spec D15, "Safety")."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.firms.models import Membership, User
from tests import factories as make
from tests.directory.syncing import connect, failing, figures, person, place, roles, sync
from tests.servers.standin import StandIn

pytestmark = pytest.mark.django_db

DISABLED = "514"


def state_of(connection: DirectoryConnection) -> list[Any]:
    """Return everything that a run may change about people, and how far it has read."""
    connection.refresh_from_db()
    return [
        list(User.objects.order_by("pk").values()),
        list(Membership.objects.order_by("pk").values()),
        list(DirectoryIdentity.objects.order_by("pk").values()),
        (connection.last_usn, connection.last_full_sync_at, connection.dc_invocation_id),
    ]


def linked(stand_in: StandIn, count: int) -> tuple[DirectoryConnection, list[str]]:
    """Return a connection with so many linked people, all of them as in the directory."""
    people = [stand_in.add_person(f"p{number}") for number in range(count)]
    connection = connect(stand_in)
    sync(connection.firm)
    connection.refresh_from_db()
    return connection, people


# ---- an answer that is not whole ------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "how", "says"),
    [
        ("reset_before", {}, "No whole answer from dc1.directory.example."),
        ("malformed", {}, "No whole answer from dc1.directory.example."),
        ("error_before", {"status": 51}, "The directory gave no whole answer (busy)."),
        (
            "error_after",  # with the people that fitted in
            {"status": 4},
            "The directory gave no whole answer (sizeLimitExceeded).",
        ),
        (
            "error_after",
            {"status": 3},
            "The directory gave no whole answer (timeLimitExceeded).",
        ),
    ],
)
def test_the_directory_breaks_off_after_the_second_of_its_pages(
    stand_in: StandIn, kind: str, how: dict[str, Any], says: str
) -> None:
    stand_in.directory.most_at_once = 3  # though it is asked for more
    connection, people = linked(stand_in, 13)
    stand_in.change(people[0], mail="ann@corp.example")
    stand_in.remove(people[12])
    before = state_of(connection)
    stand_in.misbehave(kind, method="SEARCH", path=stand_in.unit, nth=3, **how)
    error, lines = failing(connection.firm, full_sync=True)
    assert error == "1 item(s) failed; see the log."
    assert lines[1] == f"  ✗ {connection.firm}: {says}"
    assert state_of(connection) == before
    assert connection.problem == says
    # It recovers by itself.
    assert figures(sync(connection.firm, full_sync=True)) == {
        "Updated": 1, "Deactivated": 1, "Unchanged": 11
    }  # fmt: skip
    connection.refresh_from_db()
    assert connection.problem == ""


def test_one_directory_is_down_and_the_others_are_not(stand_in: StandIn) -> None:
    broken, fine = connect(stand_in), connect(stand_in, base_dn=stand_in.add_unit("Fine"))
    stand_in.add_person("a.berg", unit=fine.base_dn)
    stand_in.misbehave("reset_before", method="SEARCH", path=broken.base_dn)
    error, lines = failing()
    assert error == "1 item(s) failed; see the log."
    assert lines[1] == f"  ✗ {broken.firm}: No whole answer from dc1.directory.example."
    assert "  ✓ Created: a.berg" in lines
    assert fine.firm.memberships.count() == 1
    assert broken.firm.memberships.count() == 0


def test_a_mapped_group_is_not_there(stand_in: StandIn) -> None:
    connection, people = linked(stand_in, 2)
    group = stand_in.add_group("managers", *people)
    make.MappedGroupFactory(connection=connection, group_dn=group)
    sync(connection.firm)
    assert roles(connection, people[0]) == {"manager", "staff"}
    stand_in.remove(group)
    before = state_of(connection)
    _, lines = failing(connection.firm)
    assert lines[1] == (
        f"  ✗ {connection.firm}: The group mapped to manager cannot be read: "
        "The directory refuses: there is nothing at that place."
    )
    assert state_of(connection) == before


# ---- too many -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "leave", "limit"), [(100, 11, 10), (40, 6, 5), (100, 10, None), (3, 3, None)]
)
def test_more_would_be_deactivated_than_the_limit(
    stand_in: StandIn, count: int, leave: int, limit: int | None
) -> None:
    connection, people = linked(stand_in, count)
    for one in people[:leave]:
        stand_in.remove(one)
    before = state_of(connection)
    if limit is None:
        assert figures(sync(connection.firm, full_sync=True))["Deactivated"] == leave
        return
    for dry_run in (True, False):
        _, lines = failing(connection.firm, full_sync=True, dry_run=dry_run)
        assert lines[1] == (
            f"  ✗ {connection.firm}: Refusing to deactivate {leave} of {count} linked users "
            f"(limit {limit}). Use --force if this is intended."
        )
        assert state_of(connection) == before
    lines = sync(connection.firm, full_sync=True, force=True)
    assert figures(lines) == {"Deactivated": leave, "Unchanged": count - leave}


def test_the_last_active_owner_would_go(stand_in: StandIn) -> None:
    connection, [ann, bob] = linked(stand_in, 2)
    for one in (ann, bob):
        place(connection, one).roles.create(firm=connection.firm, role="owner")
    stand_in.change(ann, userAccountControl=DISABLED)
    assert figures(sync(connection.firm)) == {"Deactivated": 1, "Unchanged": 1}
    stand_in.change(bob, userAccountControl=DISABLED)
    before = state_of(connection)
    for force in (False, True):
        _, lines = failing(connection.firm, force=force)
        assert lines[1].endswith("Refusing to deactivate the last active owner.")
        assert state_of(connection) == before
    make.MembershipFactory(firm=connection.firm, roles=["owner"])
    assert figures(sync(connection.firm)) == {"Deactivated": 1, "Unchanged": 1}


def test_the_last_active_owner_would_lose_the_role(stand_in: StandIn) -> None:
    connection, [ann, bob] = linked(stand_in, 2)
    group = stand_in.add_group("owners", ann)
    make.MappedGroupFactory(connection=connection, group_dn=group, role="owner")
    sync(connection.firm)
    stand_in.change(group, member=[])
    _, lines = failing(connection.firm)
    assert lines[1].endswith("Refusing to deactivate the last active owner.")
    stand_in.change(group, member=[bob])  # from one to the other is fine
    assert figures(sync(connection.firm)) == {"Updated": 2}


# ---- who may come back ----------------------------------------------------------------------


def test_somebody_was_shut_out_by_a_person(stand_in: StandIn) -> None:
    connection, [ann] = linked(stand_in, 1)
    membership = place(connection, ann)
    membership.is_active, membership.blocked_by = False, "manual"
    membership.save()
    stand_in.change(ann, userAccountControl=DISABLED)
    assert figures(sync(connection.firm)) == {"Updated": 1}
    stand_in.change(ann, userAccountControl="512")
    assert figures(sync(connection.firm)) == {"Updated": 1}
    membership = place(connection, ann)
    assert (membership.is_active, membership.blocked_by) == (False, "manual")


def test_but_shuts_somebody_out_of_that_firm_alone(stand_in: StandIn) -> None:
    connection, [ann] = linked(stand_in, 1)
    user = person(connection, ann).user
    other = make.MembershipFactory(user=user)
    here = make.UserSessionFactory(user=user, firm=connection.firm)
    there = make.UserSessionFactory(user=user, firm=other.firm)
    both = make.UserSessionFactory(user=user, firm=None)
    stand_in.change(ann, userAccountControl=DISABLED, mail="new@corp.example", sn="New")
    lines = sync(connection.firm)
    assert figures(lines) == {"Deactivated": 1, "Conflicts": 1}
    user.refresh_from_db()
    other.refresh_from_db()
    assert (user.is_active, other.is_active) == (True, True)
    assert (user.email, user.last_name) == ("", "")  # not this firm's alone to change
    assert set(user.sign_ins.all()) == {there, both}
    assert here not in user.sign_ins.all()


# ---- whose changes cannot be compared -------------------------------------------------------


def test_but_reads_everything_when_the_controller_was_restored(stand_in: StandIn) -> None:
    connection, [ann, bob] = linked(stand_in, 2)
    assert sync(connection.firm)[0].endswith("[incremental]")
    entries = stand_in.directory.entries
    entries.invocation, entries.usn = "11111111-2222-3333-4444-555555555555", 500
    entries.change(entries.find(ann), mail="ann@corp.example")
    stand_in.directory.entries.find(bob).deleted = True  # before it was written down
    lines = sync(connection.firm)
    assert lines[0].endswith("[full]")
    assert figures(lines) == {"Updated": 1, "Deactivated": 1}
    connection.refresh_from_db()
    assert connection.last_usn == 501
    assert connection.dc_invocation_id == entries.invocation
    entries.usn = 400  # set back, and its database says it is the same
    assert sync(connection.firm)[0].endswith("[full]")


def test_but_reads_everything_once_a_week_since_the_firms_sunday(stand_in: StandIn) -> None:
    firm = make.FirmFactory(timezone="Asia/Tokyo")
    connect(stand_in, firm=firm)
    with time_machine.travel("2025-06-13T12:00:00Z", tick=False) as clock:
        kinds = []
        for moment in (
            "2025-06-13T12:00:00Z",
            "2025-06-14T14:59:00Z",  # Saturday there
            "2025-06-14T15:00:00Z",  # Sunday
            "2025-06-15T12:00:00Z",
            "2025-06-24T12:00:00Z",  # the next one was missed
            "2025-06-24T18:00:00Z",
        ):
            clock.move_to(moment)
            kinds.append(sync(firm)[0].rpartition(" ")[2])
    assert kinds == [
        "[full]", "[incremental]", "[full]", "[incremental]", "[full]", "[incremental]"
    ]  # fmt: skip


def test_but_ends_an_account_whose_time_is_over_without_a_change_there(
    stand_in: StandIn,
) -> None:
    ends = timezone.now() + timedelta(hours=1)
    ticks = int((ends.timestamp() + 11_644_473_600) * 10_000_000)
    ann = stand_in.add_person("a.berg", accountExpires=str(ticks))
    connection = connect(stand_in)
    assert figures(sync(connection.firm)) == {"Created": 1}
    with time_machine.travel(ends + timedelta(seconds=1), tick=False):
        lines = sync(connection.firm)
        assert lines[0].endswith("[incremental]")
        assert figures(lines) == {"Deactivated": 1}
        assert figures(sync(connection.firm)) == {"Unchanged": 1}
        stand_in.change(ann, accountExpires="0")
        assert figures(sync(connection.firm)) == {"Reactivated": 1}
