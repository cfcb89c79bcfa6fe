"""A mail server that answers what a test tells it to, however absurd, and one in between.

with absurd(FETCH=[b"* 1 FETCH (UID 1 BODY[] {10}\\r\\nhalf", HANG_UP]) as port:
    ...

with cutting(server.port, after=7) as port:  # loses the connection in the eighth letter
    ...

with choking(server.port, on=b"Letter 3") as port:  # hangs up whenever it comes to that
    ...
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.servers.imap import HOST

HANG_UP = object()
SILENCE = object()  # nothing more ever comes
DRIP = object()  # a byte now and then, for ever
FLOOD = object()  # whole lines as fast as they can be read, for ever

Part = Any  # bytes, or one of the above
Answers = dict[str, Sequence[Part]]

OK = b"TAG OK done\r\n"
PLAIN: Answers = {
    "GREETING": [b"* OK ready\r\n"],
    "CAPABILITY": [b"* CAPABILITY IMAP4rev1\r\n", OK],
    "LOGIN": [OK],
    "EXAMINE": [
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 4] .\r\n",
        b"TAG OK [READ-ONLY] done\r\n",
    ],
    "LIST": [b'* LIST (\\HasNoChildren) "/" INBOX\r\n', OK],
    "SEARCH": [b"* SEARCH 1 2 3\r\n", OK],
    "LOGOUT": [b"* BYE\r\n", OK],
}


@contextmanager
def absurd(
    *,
    address: str = HOST,
    tls: ssl.SSLContext | None = None,
    heard: list[bytes] | None = None,
    **answers: Sequence[Part],
) -> Iterator[int]:
    """Serve on an address; what is not said is answered as a plain server would.

    Every line that clients say is added to ``heard``.
    """
    script, lines = PLAIN | answers, [] if heard is None else heard

    def play(connection: socket.socket, done: threading.Event) -> None:
        if tls is None:
            _play(connection, script, lines, done)
        else:
            with tls.wrap_socket(connection, server_side=True) as secured:
                _play(secured, script, lines, done)

    with _serving(play, address) as port:
        yield port


@contextmanager
def cutting(port: int, *, after: int) -> Iterator[int]:
    """Stand between a client and a real server, and hang up in letter number ``after`` + 1.

    Only the first connection in which so many letters are fetched is cut.
    """
    left = [after]

    def relay(client: socket.socket, done: threading.Event) -> None:
        with socket.create_connection((HOST, port)) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            while data := server.recv(65_536):
                starts = [found.end() for found in re.finditer(rb"BODY\[\] \{\d+\}", data)]
                if 0 <= left[0] < len(starts):
                    client.sendall(data[: starts[left[0]] + 5])
                    left[0] = -1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                left[0] -= len(starts) if left[0] >= 0 else 0
                client.sendall(data)

    with _serving(relay) as between:
        yield between


@contextmanager
def choking(port: int, *, on: bytes) -> Iterator[int]:
    """Stand between a client and a real server, and hang up before certain bytes, always."""

    def relay(client: socket.socket, done: threading.Event) -> None:
        with socket.create_connection((HOST, port)) as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            while data := server.recv(65_536):
                before, found, _ = data.partition(on)
                client.sendall(before)
                if found:
                    client.shutdown(socket.SHUT_RDWR)
                    return

    with _serving(relay) as between:
        yield between


def _play(
    connection: socket.socket, script: Answers, heard: list[bytes], done: threading.Event
) -> None:
    told = connection.makefile("rb")
    _say(connection, script["GREETING"], b"", done)
    while line := told.readline():
        heard.append(line)
        tag, _, rest = line.strip().partition(b" ")
        words = [word for word in rest.upper().split() if word != b"UID"]
        command = words[0].decode(errors="replace") if words else ""
        _say(connection, script.get(command, [b"TAG BAD what?\r\n"]), tag, done)


def _say(
    connection: socket.socket, parts: Sequence[Part], tag: bytes, done: threading.Event
) -> None:
    for part in parts:
        if part is HANG_UP:
            raise OSError
        if part is SILENCE:
            done.wait()
        while part is DRIP and not done.wait(0.05):
            connection.sendall(b"x")
        while part is FLOOD and not done.is_set():
            connection.sendall(b"* 9 FETCH (FLAGS (" + b"x" * 9_000 + b"))\r\n")
        if isinstance(part, bytes):
            connection.sendall(part.replace(b"TAG", tag))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


@contextmanager
def _serving(
    serve: Callable[[socket.socket, threading.Event], None], address: str = HOST
) -> Iterator[int]:
    done = threading.Event()

    def attend(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection, done)

    def listen(server: socket.socket) -> None:
        while not done.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                connection.settimeout(10)
                threading.Thread(target=attend, args=(connection,), daemon=True).start()

    with socket.create_server((address, 0)) as server:
        server.settimeout(0.02)
        thread = threading.Thread(target=listen, args=(server,), daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()
