"""A firm's directory of its people: what Nightshift needs of an Active Directory.

It only reads. Nothing here touches the database, and no verb may be called inside a
transaction. Whatever does not come whole raises: half an answer must never look like people
who have left.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "Controller",
    "Directory",
    "DirectoryBroken",
    "DirectoryDown",
    "DirectoryError",
    "DirectoryRefused",
    "DirectoryUntrusted",
    "Person",
    "Place",
    "Security",
    "check_filter",
    "open_directory",
]


class DirectoryError(Problem):
    """The directory could not be read. The text is safe to show: no name, no secret."""


class DirectoryDown(DirectoryError):
    """No answer, or not the whole of one: refused, time-out, hung up in the middle."""


class DirectoryRefused(DirectoryError):
    """Not until somebody changes something: credentials, rights, the base, a filter."""


class DirectoryUntrusted(DirectoryError):
    """Whoever answers cannot prove to be the controller; nothing was said to it."""


class DirectoryBroken(DirectoryError):
    """An answer that no Active Directory gives."""


class Security(StrEnum):
    """How a connection is made safe; there is none that is not."""

    LDAPS = "ldaps"
    STARTTLS = "starttls"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a directory is, and as whom and what to read there."""

    servers: Sequence[str]  # ``host`` or ``host:port``, the first that answers is used
    security: Security
    certificate_name: str  # that the certificate must carry; empty: the server's own
    authority: str  # PEM of who signs certificates; empty: the host's own list
    user: str
    password: str = field(repr=False)
    base: str  # the distinguished name below which people are
    filter: str  # what else people must match, as LDAP writes it; empty: nothing
    attributes: Mapping[str, str]  # our word → the directory's attribute


@dataclass(frozen=True, slots=True)
class Controller:
    """Who answered, and how far its own count of changes has come."""

    server: str  # as ``Place.servers`` names it
    invocation: str  # changes when its database is another: restored, or another controller's
    highest_usn: int


@dataclass(frozen=True, slots=True)
class Person:
    """An entry of the directory, cleaned of what no name contains."""

    guid: str  # objectGUID, which never changes
    dn: str
    account: str  # sAMAccountName
    upn: str
    is_disabled: bool
    expires_at: datetime | None
    values: Mapping[str, str]  # by our words; what the entry does not say is missing


class Directory(Protocol):
    """An open connection to one controller."""

    controller: Controller  # as it was before anything else was read

    def people(self, *, since: int | None = None) -> Iterator[Sequence[Person]]:
        """Yield people page by page: all, or those changed at or after a number of changes."""

    def deleted(self, *, since: int) -> Iterator[Sequence[str]]:
        """Yield the ids of what was deleted at or after a number of changes, page by page.

        Nothing where the account may not look at deleted objects.
        """

    def members(self, group: str) -> Collection[str]:
        """Return the ids of who is in a group, also by way of groups within it.

        Raises ``DirectoryRefused`` for a group that is not there.
        """

    def close(self) -> None:
        """Hang up."""


def open_directory(place: Place, *, first: str = "") -> Directory:
    """Connect with the first server that answers, ``first`` before all others, and sign in.

    Only a server that is down makes way for the next one. Raises the last one's error.
    """
    refuse_if_strange()
    from apps.integrations.directory.ldap import LdapDirectory  # noqa: PLC0415 - a cycle

    servers = sorted(place.servers, key=lambda server: server != first)
    for server in servers[:-1]:
        try:
            return LdapDirectory(place, server)
        except DirectoryDown:
            continue
    return LdapDirectory(place, servers[-1])


def check_filter(text: str) -> None:
    """Raise ``DirectoryRefused`` for what is not one whole LDAP filter."""
    from apps.integrations.directory.wire import parsed  # noqa: PLC0415 - a cycle

    parsed(text)
