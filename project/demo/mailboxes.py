"""The demo's mail server: pymap, with the letters of ``fixtures/mailboxes`` in it.

``python -m project.demo.mailboxes --port 1143 --folder var/mailboxes --now 2025-06-10T12:00Z``
puts the letters there and serves them on loopback until it is told to end.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
DATE = b"@DATE@"  # what stands in the files where a letter's date goes


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the demo, and when the mail server got it."""

    raw: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DemoMailbox:
    """A mailbox of the demo, and what is in it."""

    username: str
    password: str
    letters: tuple[Letter, ...]


def demo_mailboxes(now: datetime) -> Iterator[DemoMailbox]:
    """Yield the demo's mailboxes as they are at an instant."""
    facts = json.loads((FIXTURES / "mailboxes.json").read_text(encoding="utf-8"))
    for entry in facts["mailboxes"]:
        letters = tuple(
            _letter(entry["letters"], number, now - timedelta(hours=hours))
            for number, hours in enumerate(entry["hours_ago"], 1)
        )
        yield DemoMailbox(entry["username"], entry["password"], letters)


def _letter(folder: str, number: int, at: datetime) -> Letter:
    raw = (FIXTURES / "mailboxes" / folder / f"{number:02d}.eml").read_bytes()
    return Letter(raw.replace(DATE, format_datetime(at).encode()), at)


def main() -> None:
    """Fill the mailboxes and serve them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="Emptied at the start.")
    parser.add_argument("--now", type=datetime.fromisoformat, required=True)
    options = parser.parse_args()
    _fill(options.folder, options.now)
    _serve(options.folder, options.port)


def _fill(folder: Path, now: datetime) -> None:
    """Write pymap's files: who may sign in, and a Maildir for each of them."""
    from pysasl.hashing import BuiltinHash

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    quick = BuiltinHash(rounds=1)  # nobody guesses passwords that everybody may read
    people, passwords = [], []
    for mailbox in demo_mailboxes(now):
        name = mailbox.username
        people.append(f"{name}:x::::{name}:\n")
        passwords.append(f"{name}:{quick.hash(mailbox.password)}:::::::\n")
        for part in ("cur", "new", "tmp"):
            (folder / name / part).mkdir(parents=True)
        for number, letter in enumerate(mailbox.letters, 1):
            path = folder / name / "new" / f"{number:02d}.demo"
            path.write_bytes(letter.raw)
            os.utime(path, (letter.received_at.timestamp(),) * 2)
    (folder / "pymap-etc-passwd").write_text("".join(people))
    (folder / "pymap-etc-shadow").write_text("".join(passwords))


def _serve(folder: Path, port: int) -> None:
    from pymap.main import main as pymap

    without = ["--no-service", "admin", "--no-service", "managesieve", "--no-tls"]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    sys.argv = ["pymap", *where, *without, "maildir", str(folder)]
    pymap()


if __name__ == "__main__":
    main()
