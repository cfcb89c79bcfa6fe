"""What the providers send, and what becomes of it on the way to the inbox."""

from collections import Counter
from random import Random
from typing import Any

from django.test import Client

from sandbox import Sandbox

LOST, DOUBLED, LATE = 0.25, 0.2, 0.2

Letter = tuple[str, bytes, dict[str, str]]  # address, body, headers


class Mailbag:
    """Loses, doubles, keeps back and shuffles callbacks before it hands them in.

    They go through the real view of the inbox, each signed when it leaves.
    """

    def __init__(self, sandbox: Sandbox, stripe_address: str, rng: Random) -> None:
        self._sandbox, self._address, self._rng = sandbox, stripe_address, rng
        self._client = Client(enforce_csrf_checks=True)
        self._read = 0  # Stripe's events
        self._waiting: list[Any] = []
        self.fates: Counter[str] = Counter()

    def deliver(self, *, faithfully: bool = False) -> None:
        """Take what was sent and hand it in, each piece to its fate; or simply all of it."""
        self._waiting += self._sent()
        self._rng.shuffle(self._waiting)
        batch, self._waiting = self._waiting, []
        for letter in batch:
            fate = "once" if faithfully else self._fate()
            self.fates[fate] += 1
            if fate == "late":
                self._waiting.append(letter)
            for _ in range({"once": 1, "twice": 2}.get(fate, 0)):
                self._post(*self._open(letter))

    def _sent(self) -> list[Any]:
        events = self._sandbox.stripe.events
        new, self._read = events[self._read :], len(events)
        callbacks = self._sandbox.core.callbacks
        taken, callbacks.waiting = callbacks.waiting, []
        return [event["id"] for event in new] + taken

    def _fate(self) -> str:
        draw = self._rng.random()
        if draw < LOST:
            return "lost"
        if draw < LOST + DOUBLED:
            return "twice"
        return "late" if draw < LOST + DOUBLED + LATE else "once"

    def _open(self, letter: Any) -> Letter:
        if isinstance(letter, str):
            return self._address, *self._sandbox.stripe.signed(letter)
        return "/webhooks/bog/", letter.body, dict(letter.headers(letter.body))

    def _post(self, address: str, body: bytes, headers: dict[str, str]) -> None:
        answer = self._client.post(
            address, body, content_type="application/json", headers=headers
        )
        assert answer.status_code == 200, answer.content
