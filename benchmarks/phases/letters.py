"""Reading a mailbox, in phases."""

import hashlib
import time
from contextlib import closing
from email import message_from_bytes, policy
from functools import partial
from io import BytesIO
from pathlib import Path

from imapclient import IMAPClient

from apps.core.batches import batched
from apps.core.fields import Secrets
from apps.integrations.asking import ask_at_once
from apps.integrations.storage import Storage, get_storage
from apps.mailbox.models import EmailConnection, EmailMessage
from apps.mailbox.parsing import Unreadable, parse_letter
from apps.mailbox.services.visits import PAGE
from benchmarks.phases.measuring import Figures, migrate, run_job
from benchmarks.world import make_firms
from tests.servers.imap import HOST, PASSWORD


def world(port: int, user: str) -> Figures:
    """Make a firm and its mailbox."""
    migrate()
    [firm] = make_firms(1)
    EmailConnection.objects.create(
        firm=firm,
        name="Support Inbox",
        host=HOST,
        port=port,
        security=EmailConnection.Security.NONE,
        username=user,
        secret=Secrets(password=PASSWORD),
    )
    return {}


def job(size: int) -> Figures:
    """Read the mailbox for the first time."""
    ran = run_job("sync_emails", max_messages=size)
    messages = EmailMessage.objects.filter(state=EmailMessage.State.STORED)
    kept = messages.filter(files_due=False, raw__state="available").count()
    return {**ran, "stored": messages.count(), "kept": kept}


def bare(port: int, user: str) -> Figures:
    """Fetch and read the same letters with the libraries alone."""
    fetching = parsing = 0.0
    with IMAPClient(HOST, port, ssl=False) as client:
        client._imap.debug = 0  # as the job has it: nothing is told line by line
        client.login(user, PASSWORD)
        client.select_folder("INBOX", readonly=True)
        for uids in batched(client.search(), PAGE):
            started = time.perf_counter()
            told = client.fetch(uids, ["BODY.PEEK[]"])
            fetched = time.perf_counter()
            for uid in uids:
                _read(told[uid][b"BODY[]"])
            fetching += fetched - started
            parsing += time.perf_counter() - fetched
    return {"fetch_seconds": fetching, "parse_seconds": parsing}


def store(maildir: str) -> Figures:
    """Put the same files into the storage, and write nothing down."""
    paths = sorted(path for path in Path(maildir).glob("*/*") if path.parent.name != "tmp")
    seconds = 0.0
    with closing(get_storage()) as storage:
        put = partial(_put, storage)
        for some in batched(enumerate(paths), PAGE):
            files = [
                (f"bare/{number}/{part}", content)
                for number, path in some
                for part, content in enumerate(_files(path.read_bytes()))
            ]
            started = time.perf_counter()
            ask_at_once(put, files)
            seconds += time.perf_counter() - started
    return {"store_seconds": seconds}


def _read(raw: bytes) -> None:
    """Read what there is to read in a letter."""
    message = message_from_bytes(raw, policy=policy.default)
    for name in ("From", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To"):
        str(message[name])
    for kind in ("plain", "html"):
        if body := message.get_body((kind,)):
            body.get_content()
    for attachment in message.iter_attachments():
        attachment.get_content()


def _files(raw: bytes) -> list[bytes]:
    try:
        return [raw, *(file.content for file in parse_letter(raw).files)]
    except Unreadable:
        return [raw]


def _put(storage: Storage, told: tuple[str, bytes]) -> None:
    key, content = told
    digest = hashlib.sha256(content).hexdigest()
    storage.put(
        key, BytesIO(content), content_type="message/rfc822", size=len(content), sha256=digest
    )
