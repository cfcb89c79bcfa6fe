"""A gateway that has gone mad: it repeats, in each of its answers, all that it was told.

Real ones do some of this: they quote keys, cards and addresses in the messages of errors.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from typing import Any

CARD_NUMBER = "4000056655665556"
TOKENS = "/token"

# Each way to answer: its status, and what the body is made of.
ANSWERS = (
    (200, "text"),
    (200, "object"),
    (200, "half"),
    (302, "text"),
    (400, "error"),
    (401, "error"),
    (402, "error"),
    (402, "decline"),
    (403, "error"),
    (404, "error"),
    (409, "error"),
    (429, "error"),
    (500, "error"),
    (500, "text"),
    (502, "half"),
)


class Echo:
    """What was heard so far, and the answers that are given in turn."""

    def __init__(self, *, token: str = "") -> None:
        self.token = token  # given to whoever asks for one
        self.heard: list[str] = []
        self.url = ""
        self._lock = threading.Lock()
        self._answers = cycle(ANSWERS)

    def answer(self, *answers: tuple[int, str]) -> None:
        """Give only these from now on, in turn."""
        with self._lock:
            self._answers = cycle(answers)

    def take(self, told: str) -> tuple[int, str]:
        with self._lock:
            self.heard.append(told)
            return next(self._answers)

    def knows(self, secret: str) -> bool:
        """Tell whether somebody told it this, so that it could repeat it."""
        return any(secret in told for told in self.heard)


def body_of(kind: str, *, key: str, told: str) -> bytes:
    says = f"{told} {CARD_NUMBER}"
    error = {
        "type": key,
        "code": key,
        "decline_code": key,
        "param": says,
        "message": says,
        "doc_url": says,
        "error_description": says,
    }
    intent = {
        "id": "pi_echo",
        "object": "payment_intent",
        "status": "requires_payment_method",
        "amount": 1,
        "amount_received": 0,
        "currency": "usd",
        "created": 1,
        "livemode": False,
        "customer": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "latest_charge": None,
        "metadata": {"said": says},
        "last_payment_error": error,
    }
    whole: Any = {
        "text": says,
        "object": {"status": says, "data": says, "message": says},
        "decline": {"error": {**error, "type": "card_error", "payment_intent": intent}},
    }.get(kind, {"error": error, "message": says})
    written = says if kind == "text" else json.dumps(whole)
    return written[: len(written) - 20 if kind == "half" else None].encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    echo: Echo

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        sent = self.rfile.read(length).decode()
        authorization = self.headers.get("Authorization", "")
        told = f"{self.path} {authorization} {sent}"
        if self.echo.token and self.path.endswith(TOKENS):
            self.echo.heard.append(told)
            given = {"access_token": self.echo.token, "expires_in": 300}
            self.reply(200, json.dumps(given).encode(), {})
            return
        status, kind = self.echo.take(told)
        key = authorization.rpartition(" ")[2]
        body = body_of(kind, key=key, told=told)
        self.reply(status, body, {"Request-Id": key, "Location": f"/again?{key}"})

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status, "Told")
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """It keeps what it heard itself."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def echoing(**how: str) -> Iterator[Echo]:
    """Run one on loopback."""
    echo = Echo(**how)
    handler = type("Handler", (_Handler,), {"echo": echo})
    with _Server(("127.0.0.1", 0), handler) as server:
        echo.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield echo
        finally:
            server.shutdown()
            thread.join()
