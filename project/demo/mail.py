"""A mail catcher: takes every message and keeps it as a file."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from project.demo.processes import free_port


@dataclass
class Caught:
    """Where the catcher listens, and what it has."""

    folder: Path
    port: int
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def count(self) -> int:
        """How many messages have come in since the start."""
        return len(list(self.folder.glob("*.eml")))

    async def handle_DATA(  # noqa: N802 - aiosmtpd's own name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a message, as aiosmtpd's handlers do."""
        content = envelope.original_content or b""
        (self.folder / f"{next(self.numbers):05d}.eml").write_bytes(content)
        return "250 Caught"


@contextmanager
def catcher(folder: Path) -> Iterator[Caught]:
    """Catch mail on loopback while the block runs; what was caught before is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.eml"):
        old.unlink()
    caught = Caught(folder, free_port(2525))
    controller = Controller(caught, hostname="127.0.0.1", port=caught.port)
    controller.start()
    try:
        yield caught
    finally:
        controller.stop()
