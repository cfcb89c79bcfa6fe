"""What people do with a firm's directory: set it up, switch it, look again, unlink somebody."""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime

from django.db import transaction

from apps.audit.services import record
from apps.core.fields import Secrets
from apps.core.problems import Problem
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.directory.services.reading import place_of
from apps.firms.models import User
from apps.integrations.directory import open_directory

# What has to be read anew when it changes, because the count of changes says nothing of it.
DECIDES = frozenset({"servers", "base_dn", "person_filter", "attributes", "groups"})


def save_connection(
    *,
    connection: DirectoryConnection,
    secrets: Mapping[str, str],
    changed: frozenset[str],
    actor: User | None,
) -> None:
    """Save where a firm's directory is; of its secrets only those given are replaced.

    The audit trail names what changed and holds none of it.
    """
    given = {name: secret for name, secret in secrets.items() if secret}
    connection.credentials = Secrets({**connection.credentials, **given})
    with transaction.atomic():
        connection.save()
        if changed & DECIDES:
            _forget(connection)
        told = {"changed": sorted(changed - set(secrets)), "replaced": sorted(given)}
        record("directory_connection_saved", connection, actor=actor, changes=told)


def read_again(*, connection: DirectoryConnection, actor: User | None) -> None:
    """Let the next run read the whole directory."""
    with transaction.atomic():
        _forget(connection)
        record("directory_to_be_read_in_full", connection, actor=actor)


def enable_directory(*, connection: DirectoryConnection, actor: User | None) -> None:
    """Read the directory from now on. Raises ``Problem`` if it is read already."""
    _switch(connection, True, "enabled", actor)


def disable_directory(*, connection: DirectoryConnection, actor: User | None) -> None:
    """Read the directory no more; people stay as they are. Raises ``Problem`` if it is off."""
    _switch(connection, False, "disabled", actor)


def try_connection(*, connection: DirectoryConnection) -> None:
    """Sign in at the directory and hang up. Raises ``Problem`` where that fails.

    Not to be called inside a transaction.
    """
    with closing(open_directory(place_of(connection))) as directory:
        next(iter(directory.people()), None)


def unlink_identity(
    *, identity: DirectoryIdentity, actor: User | None, reason: str, now: datetime
) -> None:
    """Forget who somebody is in the directory; their account stays as it is.

    The next full reading decides anew, by addresses. Raises ``Problem`` if it is unlinked.
    """
    with transaction.atomic():
        event = {"last_seen_at": identity.last_seen_at and identity.last_seen_at.isoformat()}
        record("directory_person_unlinked", identity, actor=actor, reason=reason, changes=event)
        gone, _ = DirectoryIdentity.objects.filter(pk=identity.pk).delete()
        if not gone:
            raise Problem("somebody has unlinked this already")
        _forget(identity.connection)


def _forget(connection: DirectoryConnection) -> None:
    connection.last_usn = None
    connection.save(update_fields=["last_usn", "updated_at"])


def _switch(connection: DirectoryConnection, to: bool, done: str, actor: User | None) -> None:
    with transaction.atomic():
        other = DirectoryConnection.objects.filter(pk=connection.pk).exclude(is_enabled=to)
        if not other.update(is_enabled=to):
            raise Problem(f"{connection} is {done} already.")
        record(f"directory_{done}", connection, actor=actor)
    connection.is_enabled = to
