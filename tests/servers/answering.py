"""A server that answers whatever bytes a test wants, or none."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def answering(
    script: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run a server that lets ``script`` answer each connection, and yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                if stopping.is_set():
                    return
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    connection.recv(65_536)
                    script(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
            pass
        thread.join(5)
        listener.close()
