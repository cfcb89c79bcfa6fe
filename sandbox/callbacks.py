"""Callbacks (webhooks) on their way out: sent, repeated, lost, doubled, late or forged.

Tests take them as they are and post them themselves, or call ``deliver``. As a program
(``automatic``) a thread sends them, and tries again while the receiver does not answer 2xx.

``misbehave("lost" | "duplicate" | "late" | "reordered" | "forged", count=1)`` spoils the next
ones: *late* waits for ``seconds``, *reordered* lets the next one overtake it, *forged* changes
the body after it was signed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from sandbox.core import Core, Vendor

__all__ = ["Callback", "Callbacks", "Signer"]

Signer = Callable[[bytes], Mapping[str, str]]  # a body → the headers that vouch for it

KINDS = frozenset({"lost", "duplicate", "late", "reordered", "forged"})
AGAIN = (1, 5, 30, 60, 300)  # seconds until the next attempt
NEVER = float("inf")
TIMEOUT = 10  # seconds for the receiver's answer
_KEPT = ("vendor", "id", "attempts", "forged", "again")


@dataclass
class Callback:
    """One message to the outside. It is signed when it leaves, as the vendors do."""

    vendor: str
    id: str
    url: str
    body: bytes
    headers: Signer = field(repr=False)
    due: float = 0.0  # on time.monotonic's clock
    attempts: int = 0
    forged: bool = False
    status: int | None = None  # what the receiver answered last
    again: bool = True  # whether this vendor tries more than once
    answer: str = ""  # what the receiver said last; some vendors read it

    def post(self) -> bool:
        """Send it once; whether it was taken."""
        self.attempts += 1
        headers = dict(self.headers(self.body))
        body = self.body + b" " if self.forged else self.body
        try:
            answer = requests.post(
                self.url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException:
            self.status = None
            return False
        self.status, self.answer = answer.status_code, answer.text
        answer.close()
        return 200 <= answer.status_code < 300


class Callbacks:
    """What waits to be sent. ``sent`` is what was, with the receiver's answer."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._spoil: deque[tuple[str, dict[str, Any]]] = deque()
        self.waiting: list[Callback] = []
        self.sent: list[Callback] = []

    def reset(self) -> None:
        with self._condition:
            self._spoil.clear()
            self.waiting.clear()
            self.sent.clear()

    def misbehave(self, kind: str, *, count: int = 1, **details: Any) -> None:
        """Spoil the next ``count`` callbacks; see the module's docstring."""
        if kind not in KINDS:
            raise ValueError(f"no misbehaviour of callbacks '{kind}'")
        self._spoil.extend([(kind, details)] * count)

    def send(self, callback: Callback) -> None:
        """Take a callback that a vendor wants sent."""
        with self._condition:
            kind, details = self._spoil.popleft() if self._spoil else ("", {})
            if kind == "lost":
                return
            if kind == "forged":
                callback.forged = True
            if kind == "late":
                callback.due = time.monotonic() + float(details.get("seconds", 5))
            self.waiting.append(callback)
            if kind == "duplicate":
                self.waiting.append(replace(callback))
            if kind == "reordered":
                callback.due = NEVER  # until another one has overtaken it
            else:
                self._let_go()
            self._condition.notify()

    def deliver(self) -> list[Callback]:
        """Send everything that waits, late ones too, and return it with its answers."""
        with self._condition:
            batch, self.waiting = self.waiting, []
        for callback in batch:
            callback.post()
            self.sent.append(callback)
        return batch

    def kept(self, core: "Core") -> list[dict[str, Any]]:
        """Return what still waits, for the state file."""
        with self._condition:
            return [
                {
                    **{name: getattr(each, name) for name in _KEPT},
                    "url": core.path_of(each.url),
                    "body": each.body.decode(),
                }
                for each in self.waiting
            ]

    def recall(
        self, kept: list[dict[str, Any]], core: "Core", vendors: "Mapping[str, Vendor]"
    ) -> None:
        """Let that wait again; it is due at once."""
        with self._condition:
            self.waiting = [
                Callback(
                    **{name: row[name] for name in _KEPT},
                    url=core.address(row["url"]),
                    body=row["body"].encode(),
                    headers=vendors[row["vendor"]].signer(row["id"]),
                )
                for row in kept
            ]

    def _let_go(self) -> None:
        """Put those that wait to be overtaken behind the one that has just come."""
        held = [each for each in self.waiting if each.due == NEVER]
        self.waiting = [each for each in self.waiting if each.due != NEVER]
        for callback in held:
            callback.due = time.monotonic()
            self.waiting.append(callback)

    # ---- as a program ----

    def start(self, *, tick: Callable[[], None]) -> None:
        """Send by itself from now on; ``tick`` is called about once a second."""
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, args=(tick,), name="callbacks", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread:
            with self._condition:
                self._stopping = True
                self._condition.notify()
            self._thread.join()
            self._thread = None

    def _run(self, tick: Callable[[], None]) -> None:
        while True:
            tick()
            with self._condition:
                now = time.monotonic()
                batch = [each for each in self.waiting if each.due <= now]
                if not batch and not self._stopping:
                    self._condition.wait(1)
                if self._stopping:
                    return
                self.waiting = [each for each in self.waiting if each not in batch]
            for callback in batch:
                if callback.post() or not callback.again or callback.attempts > len(AGAIN):
                    self.sent.append(callback)
                else:
                    callback.due = time.monotonic() + AGAIN[callback.attempts - 1]
                    with self._condition:
                        self.waiting.append(callback)
