"""What a test sees of a mail server, whichever it is."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from apps.integrations.mailboxes import Account, Auth, Security

HOST = "127.0.0.1"
PASSWORD = "a-mail-password"
STARTING_SECONDS = 20.0

_numbers = count(1)


@dataclass
class MailHost:
    """A server of one test run. Letters are delivered as files, as a mail system does.

    Each test adds a user of its own, and so has a mailbox that nobody else touches.
    """

    name: str
    port: int  # in the clear, or with STARTTLS
    root: Path  # a Maildir for each user
    write_user: Callable[[str, str], None]  # name and password
    tls_port: int = 0
    authority: Path | None = None  # who vouches for its certificate
    owner: int | None = None  # whose the letters have to be
    users: dict[str, str] = field(default_factory=dict)

    def add_user(self, name: str = "", password: str = PASSWORD) -> str:
        """Open a mailbox and return its user's name."""
        user = name or f"user{next(_numbers)}@example.test"
        self.set_password(user, password)
        self.maildir(user)
        return user

    def set_password(self, user: str, password: str) -> None:
        """Let a user sign in with this password from now on."""
        self.users[user] = password
        self.write_user(user, password)

    def account(self, user: str, **changes: Any) -> Account:
        """Return how to sign in as a user, in the clear if nothing else is said."""
        how: dict[str, Any] = {
            "host": HOST,
            "port": self.port,
            "security": Security.NONE,
            "username": user,
            "auth": Auth.PASSWORD,
            "secret": self.users.get(user, PASSWORD),
        }
        return Account(**how | changes)

    def deliver(
        self,
        user: str,
        raw: bytes,
        *,
        received: datetime | None = None,
        folder: str = "INBOX",
        flags: str = "",
    ) -> None:
        """Put a letter into a folder. Its internal date is the time of the file."""
        home = self.maildir(user, folder)
        number = next(_numbers)
        # Dovecot numbers new letters in the order of these names.
        name = f"{1_700_000_000 + number}.M{number}P1.test"
        where = home / "cur" / f"{name}:2,{flags}" if flags else home / "new" / name
        staged = home / "tmp" / name
        staged.write_bytes(raw)
        at = (received or datetime.now(UTC)).timestamp()
        os.utime(staged, (at, at))
        if self.owner is not None:
            os.chown(staged, self.owner, -1)
        staged.rename(where)

    def maildir(self, user: str, folder: str = "INBOX") -> Path:
        """Return the Maildir of a folder, made if need be (Maildir++: ``.Sent``)."""
        home = self.root / user if folder == "INBOX" else self.root / user / f".{folder}"
        for path in (self.root / user, home, *(home / part for part in ("cur", "new", "tmp"))):
            if not path.exists():
                path.mkdir(mode=0o700)
                if self.owner is not None:
                    os.chown(path, self.owner, -1)
        return home

    def renumber(self, user: str) -> None:
        """Let the server lose its numbering: every letter gets a new UID, in the same order."""
        home = self.maildir(user)
        numbering = home / "dovecot-uidlist"  # pymap keeps one as well
        told = numbering.read_text().split(maxsplit=4)
        validity = int(told[1].removeprefix("V")) + 1
        for path in home.glob("dovecot*"):
            path.unlink()
        numbering.write_text(f"3 V{validity} N1 {told[3]}\n")
        if self.owner is not None:
            os.chown(numbering, self.owner, -1)

    @contextmanager
    def client(self, user: str) -> Iterator[IMAPClient]:
        """Be another program that reads the same mailbox."""
        with IMAPClient(HOST, self.port, ssl=False, timeout=10) as client:
            client.login(user, self.users[user])
            yield client

    def flags(self, user: str, folder: str = "INBOX") -> list[tuple[bytes, ...]]:
        """Return the flags of every letter in a folder."""
        with self.client(user) as client:
            client.select_folder(folder, readonly=True)
            told = client.fetch(client.search(), ["FLAGS"])
            return [tuple(sorted(told[uid][b"FLAGS"])) for uid in sorted(told)]


def free_ports(number: int) -> list[int]:
    """Return ports of loopback that nobody listens on."""
    probes = [socket.socket() for _ in range(number)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def wait_until_greeted(port: int) -> bool:
    """Wait for a server's greeting; False if there is none in time."""
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((HOST, port), 1) as probe:
            if probe.recv(4).startswith(b"* OK"):
                return True
        time.sleep(0.02)
    return False
