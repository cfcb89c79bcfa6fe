"""Mailboxes that are read in tests: letters come in, the job runs, and what came of it."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, Self

from django.core.management import CommandError, call_command

from apps.core.reports import Report
from apps.firms.models import Firm
from apps.integrations.storage import get_storage
from apps.mailbox.models import EmailConnection, EmailFolderState, EmailMessage
from apps.mailbox.services import own_addresses
from apps.mailbox.services.files import keep_files
from apps.mailbox.services.letters import Letter, Place, read_letter
from apps.mailbox.services.storing import store_page
from tests.factories import EmailConnectionFactory
from tests.servers.imap import HOST, MailHost


@dataclass
class Post:
    """A mailbox on a server, and the connection that reads it."""

    server: MailHost
    connection: EmailConnection
    user: str

    @classmethod
    def open(cls, server: MailHost, firm: Firm, name: str, **how: Any) -> Self:
        user = server.add_user()
        given = {"host": HOST, "port": server.port, "username": user, **how}
        connection = EmailConnectionFactory(firm=firm, name=name, **given)
        return cls(server, connection, user)

    def deliver(self, *letters: bytes, **how: Any) -> None:
        for one in letters:
            self.server.deliver(self.user, one, **how)

    def messages(self) -> list[EmailMessage]:
        """What is stored, in the order of the server."""
        return list(EmailMessage.objects.filter(connection=self.connection).order_by("uid"))

    def subjects(self) -> list[str]:
        return [message.subject for message in self.messages()]

    def cursor(self, folder: str = "INBOX") -> int:
        state = EmailFolderState.objects.get(connection=self.connection, folder=folder)
        return state.last_uid

    def now(self) -> EmailConnection:
        """The connection as it is now."""
        self.connection.refresh_from_db()
        return self.connection


def letter(
    subject: str = "Hello",
    *,
    message_id: str = "",
    sender: str = "Ada Byron <ada@example.com>",
    to: str = "support@example.test",
    body: str = "How do I log in?",
    **fields: str,
) -> bytes:
    """A letter; ``In_Reply_To="<…>"`` adds a field."""
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}"]
    if message_id:
        lines.append(f"Message-ID: <{message_id}>")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", body, ""]).encode()


def letters(number: int, *, start: int = 1) -> list[bytes]:
    return [
        letter(f"Letter {n}", message_id=f"letter-{n}@example.com")
        for n in range(start, start + number)
    ]


def sync(**options: Any) -> str:
    """Run the command and return what it prints, also what it ends with."""
    out = io.StringIO()
    try:
        call_command("sync_emails", stdout=out, **options)
    except CommandError as error:
        out.write(f"CommandError: {error}\n")
    return out.getvalue()


def summary(output: str) -> dict[str, str]:
    """The closing block, by heading."""
    closing = output.partition("Summary:\n")[2].partition("CommandError")[0]
    return dict(line.strip().split(": ") for line in closing.splitlines() if line.strip())


def ago(**how: int) -> datetime:
    return datetime.now(UTC) - timedelta(**how)


_uids = count(1)


def take_in(
    connection: EmailConnection, *raw: bytes, dry_run: bool = False, keep: bool = False
) -> Report:
    """Store letters as a run does, without a server; ``keep`` their files as well."""
    now, storage = datetime.now(UTC), get_storage()
    ours = own_addresses(connection.firm)
    since = now - timedelta(days=30)
    place = Place(connection, "INBOX", 7, since, now, storage, ours)
    found = [
        read_letter(Letter(place, next(_uids), len(one), now - timedelta(hours=1), one))
        for one in raw
    ]
    report = Report(dry_run=dry_run)
    report.attempt_each(
        found,
        partial(store_page, page=[one.uid for one in found]),
        subject=lambda one: one.subject,
    )
    if keep:
        messages = EmailMessage.objects.filter(connection=connection, files_due=True)
        letters = {one.uid: one.files for one in found}
        keep_files(messages=messages, letters=letters, storage=storage, now=now)
    return report
