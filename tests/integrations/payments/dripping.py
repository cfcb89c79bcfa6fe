"""A server that answers every request in the same, wrong way."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


@contextmanager
def serve(answer: bytes | str, *, status: str = "200 OK", headers: str = "") -> Iterator[str]:
    """Answer with these bytes; ``"headers"`` or ``"body"`` drips and has no end."""
    done = threading.Event()
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(0.02)
        thread = threading.Thread(target=_serve, args=(server, done, answer, status, headers))
        thread.start()
        try:
            yield f"http://{HOST}:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def _serve(
    server: socket.socket, done: threading.Event, answer: bytes | str, status: str, headers: str
) -> None:
    while not done.is_set():
        with suppress(TimeoutError):
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                connection.recv(65_536)
                _answer(connection, done, answer, status, headers)


def _answer(
    connection: socket.socket,
    done: threading.Event,
    answer: bytes | str,
    status: str,
    headers: str,
) -> None:
    start = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n".encode()
    if isinstance(answer, bytes):
        more = f"{headers}\r\n" if headers else ""
        length = f"Content-Length: {len(answer)}\r\nConnection: close\r\n{more}\r\n"
        connection.sendall(start + length.encode() + answer)
        # To close on bytes of the question that nobody has read would reset the answer.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass
        return
    connection.sendall(start + (b"X-Drip: " if answer == "headers" else b"\r\n"))
    while not done.wait(0.05):
        connection.sendall(b"x")
