"""What the directory's tests share: a firm with a directory, a run, and what came of it."""

import io
from typing import Any

from django.core.management import CommandError, call_command

from apps.core.fields import Secrets
from apps.directory.models import DirectoryConnection, DirectoryIdentity
from apps.firms.models import Firm, Membership, User
from tests import factories as make
from tests.servers.directories import ActiveDirectory


def connect(ad: ActiveDirectory, **how: Any) -> DirectoryConnection:
    """Return a firm's connection to a test's part of a directory."""
    connection: DirectoryConnection = make.DirectoryConnectionFactory(
        servers=ad.host,
        authority=ad.ca.read_text(),
        bind_user=ad.user,
        credentials=Secrets(bind_password=ad.password),
        base_dn=how.pop("base_dn", ad.unit),
        **how,
    )
    return connection


def sync(firm: Firm | None = None, **options: Any) -> list[str]:
    """Run the command and return the lines that it prints."""
    out = io.StringIO()
    if firm is not None:
        options["firm_id"] = firm.pk
    call_command("sync_ad", stdout=out, **options)
    return out.getvalue().splitlines()


def failing(firm: Firm | None = None, **options: Any) -> tuple[str, list[str]]:
    """Run the command, which must fail; return how it ends and the lines before."""
    out = io.StringIO()
    if firm is not None:
        options["firm_id"] = firm.pk
    try:
        call_command("sync_ad", stdout=out, **options)
    except CommandError as error:
        return str(error), out.getvalue().splitlines()
    raise AssertionError(f"it did not fail: {out.getvalue()}")


def figures(lines: list[str]) -> dict[str, int]:
    """Return the summary without what is zero."""
    told = (line.strip().partition(": ") for line in lines[lines.index("Summary:") + 1 :])
    return {name: int(value) for name, _, value in told if value != "0"}


def person(connection: DirectoryConnection, guid: str) -> DirectoryIdentity:
    return DirectoryIdentity.objects.select_related("user").get(
        connection=connection, object_guid=guid
    )


def account(connection: DirectoryConnection, guid: str) -> User:
    return person(connection, guid).user


def place(connection: DirectoryConnection, guid: str) -> Membership:
    return Membership.objects.get(firm=connection.firm, user=account(connection, guid))


def roles(connection: DirectoryConnection, guid: str) -> set[str]:
    return set(place(connection, guid).roles.values_list("role", flat=True))
