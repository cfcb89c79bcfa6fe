"""An address on loopback that keeps what is posted to it and answers as told.

with receiver() as there:
    there.answer_next(500)
    ...
    assert [one.path for one in there.requests] == ["/hook"]
"""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes


class Receiver:
    """What a test sees of the server."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: deque[int] = deque()
        self.came = threading.Event()
        there = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                names = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                status = there._answers.popleft() if there._answers else 200
                there.requests.append(Request(self.command, self.path, names, body))
                there.came.set()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer_next(self, *statuses: int) -> None:
        """Answer the next requests with these, and all others with 200."""
        self._answers.extend(statuses)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on a port that the kernel chose."""
    there = Receiver()
    thread = threading.Thread(target=there._server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield there
    finally:
        there._server.shutdown()
        there._server.server_close()
        thread.join(5)
