"""A connection to a mail server whose answers have an end, in time and in size.

``imaplib`` reads lines and literals as long as the other side likes to send: a time-out of
the socket begins again with each byte, and ``{99999999999}`` is read into memory. Here each
command has a clock and a greatest number of bytes.
"""

import imaplib
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from threading import Timer
from time import monotonic
from typing import Any

from django.conf import settings

from apps.integrations.mailboxes import Broken, Unreachable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LITTLE = 2_000_000  # bytes; what an answer without letters in it may have
_CHUNK = 65_536
_LATE = "the server did not answer in time"


def tls_context() -> ssl.SSLContext:
    """Return how TLS is spoken: certificates and names are checked."""
    context = ssl.create_default_context()
    context.sslsocket_class = _TimelySocket
    return context


class Connection(imaplib.IMAP4):
    """One connection; ``allow`` says before each command what its answer may cost."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._seconds = float(settings.IMAP_TIMEOUT)
        self._reading: socket.socket | None = None
        self._reader: BufferedReader | None = None
        self._until, self._left = monotonic() + self._seconds, LITTLE
        super().__init__(host, port, timeout=self._seconds)

    def allow(self, size: int) -> None:
        """Let the answer to the next command have so many bytes, from now on."""
        self._until, self._left = monotonic() + self._seconds, size
        self.sock.settimeout(self._seconds)

    # ---- what imaplib calls ---------------------------------------------------------------

    def _create_socket(self, timeout: float | None) -> socket.socket:
        found = socket.create_connection((self.host, self.port), timeout)
        try:
            _check_peer(found)
            if self._context is None:
                return found
            return self._context.wrap_socket(found, server_hostname=self.host)
        except BaseException:
            found.close()
            raise

    def read(self, size: int) -> bytes:
        self._spend(size)
        data = bytearray()
        while len(data) < size:
            part = self._source().read1(min(size - len(data), _CHUNK))
            if not part:
                raise self.abort("EOF in a literal")
            data += part
        return bytes(data)

    def readline(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            ahead = self._source().peek()
            if not ahead:
                break
            part = self._source().readline(len(ahead))
            self._spend(len(part))
            line += part
        return bytes(line)

    def shutdown(self) -> None:
        if self._reader is not None:
            self._reader.close()
        super().shutdown()

    # ---- inside ---------------------------------------------------------------------------

    def _source(self) -> BufferedReader:
        """Return what to read from, with what is left of the time.

        After STARTTLS it is another one: what was read ahead in the clear is forgotten, or
        somebody in between could have put it there.
        """
        left = self._until - monotonic()
        if left <= 0:
            raise Unreachable(_LATE)
        self.sock.settimeout(left)
        if self._reader is None or self._reading is not self.sock:
            self._reading, self._reader = self.sock, self.sock.makefile("rb")
        return self._reader

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Broken("the server's answer does not end")


class _TimelySocket(ssl.SSLSocket):
    """A socket whose handshake ends: its steps may each be in time, and still be endless."""

    def do_handshake(self, block: bool = False) -> None:
        with _hanging_up(self, after=float(settings.IMAP_TIMEOUT)):
            super().do_handshake(block)


@contextmanager
def _hanging_up(sock: socket.socket, *, after: float) -> Iterator[None]:
    def hang_up() -> None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # beneath TLS

    watch = Timer(after, hang_up)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def peer(connection: imaplib.IMAP4) -> Address:
    """Return the address of the other side."""
    return _address_of(connection.sock)


def _check_peer(found: socket.socket) -> None:
    """Hang up on an address inside our own network, unless the settings say otherwise.

    Firms type host names; nobody may look around behind the platform's firewall with them.
    Whoever answers is looked at, not the name: that may mean another address a moment later.
    """
    if not settings.IMAP_PRIVATE_HOSTS and not _address_of(found).is_global:
        raise Unreachable("the server could not be reached")


def _address_of(found: socket.socket) -> Address:
    name: Any = found.getpeername()
    address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
