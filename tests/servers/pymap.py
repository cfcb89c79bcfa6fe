"""pymap for tests: an IMAP server in Python, where there is no Dovecot, and beside it.

It has neither XOAUTH2 nor TLS of its own here, and lines end as they were delivered.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pysasl.hashing import BuiltinHash

from tests.servers.imap import HOST, MailHost, free_ports, wait_until_greeted

_RUN = "from pymap.main import main; main()"


@contextmanager
def pymap() -> Iterator[MailHost]:
    """Serve mailboxes on loopback until the block ends."""
    with tempfile.TemporaryDirectory(prefix="nightshift-pymap-") as folder:
        home, quick = Path(folder), BuiltinHash(rounds=1)
        [port] = free_ports(1)

        hashed: dict[str, str] = {}

        def write_user(user: str, password: str) -> None:
            hashed[user] = quick.hash(password)
            (home / "pymap-etc-passwd").write_text("".join(f"{u}:x::::{u}:\n" for u in hashed))
            lines = (f"{name}:{told}:::::::\n" for name, told in hashed.items())
            (home / "pymap-etc-shadow").write_text("".join(lines))

        command = [sys.executable, "-c", _RUN, "--host", HOST, "--port", str(port)]
        command += ["--no-service", "admin", "--no-service", "managesieve", "--no-tls"]
        process = subprocess.Popen(
            [*command, "maildir", folder],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not wait_until_greeted(port):
                raise RuntimeError("pymap does not answer")
            yield MailHost("pymap", port, home, write_user)
        finally:
            process.terminate()
            process.wait(10)
