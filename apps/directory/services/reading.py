"""What a directory says, read whole before anything is done about it."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.core.days import Clock, local_midnight
from apps.core.reports import Report
from apps.directory.models import PASSWORD, DirectoryConnection, MappedAttribute
from apps.firms.models import Role
from apps.integrations.directory import (
    Controller,
    Directory,
    DirectoryRefused,
    Person,
    Place,
    Security,
    open_directory,
)


@dataclass(slots=True)
class Reading:
    """A directory at one moment: everybody, or whoever has changed since the last time."""

    controller: Controller
    is_full: bool
    people: dict[str, Person] = field(default_factory=dict)  # by their ids
    deleted: set[str] = field(default_factory=set)
    members: dict[Role, frozenset[str]] = field(default_factory=dict)  # of every mapped role


def is_due_in_full(connection: DirectoryConnection, clock: Clock) -> bool:
    """Whether a firm's directory must be read in full: never yet, or not since Sunday.

    The firm's Sunday, whose midnight may long have passed: what was missed is caught up.
    """
    if connection.last_usn is None or connection.last_full_sync_at is None:
        return True
    zone_name = connection.firm.timezone
    today = clock.today(zone_name)
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    return connection.last_full_sync_at < local_midnight(sunday, zone_name)


def read_directory(
    connection: DirectoryConnection, *, in_full: bool, report: Report
) -> Reading:
    """Return what the firm's directory says; raises ``DirectoryError`` unless all of it came.

    An incremental reading becomes a full one where the count of changes cannot be compared:
    with another controller, or another database on the same one, or one that was set back.
    Whoever watches has a turn between two pages.
    """
    with closing(open_directory(place_of(connection), first=connection.dc_host)) as directory:
        controller = directory.controller
        since = None if in_full else _since(connection, controller)
        reading = Reading(controller, since is None)
        for page in directory.people(since=since):
            reading.people |= {person.guid: person for person in page}
            report.pause()
        if since is not None:
            for gone in directory.deleted(since=since):
                reading.deleted |= set(gone)
                report.pause()
        reading.members = _members(connection, directory)
    return reading


def place_of(connection: DirectoryConnection) -> Place:
    """Return where and as whom a firm's directory is to be read."""
    return Place(
        servers=connection.servers.split(),
        security=Security(connection.security),
        certificate_name=connection.certificate_name,
        authority=connection.authority,
        user=connection.bind_user,
        password=connection.credentials.get(PASSWORD, ""),
        base=connection.base_dn,
        filter=connection.person_filter,
        attributes=_attributes(connection),
    )


def _attributes(connection: DirectoryConnection) -> Mapping[str, str]:
    mapped = {row.field: row.attribute for row in connection.attributes.all()}
    return {**MappedAttribute.USUAL, **mapped}


def _since(connection: DirectoryConnection, controller: Controller) -> int | None:
    """Return the first change that has not been read; nothing where that means nothing."""
    last = connection.last_usn
    same = controller.invocation and controller.invocation == connection.dc_invocation_id
    if last is None or not same or controller.highest_usn < last:
        return None
    return last + 1


def _members(
    connection: DirectoryConnection, directory: Directory
) -> dict[Role, frozenset[str]]:
    """Return who is in the groups of each mapped role.

    Somebody's coming into a group is no change of theirs, so that groups are always read.
    """
    found: dict[Role, frozenset[str]] = {}
    for group in connection.groups.order_by("pk"):
        role = Role(group.role)
        try:
            members = directory.members(group.group_dn)
        except DirectoryRefused as error:  # its role must not be taken from everybody
            raise DirectoryRefused(
                f"The group mapped to {role.label.lower()} cannot be read: {error}"
            ) from error
        found[role] = found.get(role, frozenset()) | frozenset(members)
    return found


def is_over(expires_at: datetime | None, now: datetime) -> bool:
    """Whether an account's time is over."""
    return expires_at is not None and expires_at <= now
