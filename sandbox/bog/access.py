"""Who may ask the bank, and what asking twice comes to."""

import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.core import Core, Json
from sandbox.log import Call

__all__ = ["Keys", "Refusal", "Tokens"]

TOKEN_SECONDS = 300


class Refusal(Exception):  # noqa: N818 - read aloud: the bank's refusal
    """A request that the bank will not do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Tokens:
    """The clients, their secrets and their tokens."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.clients: dict[str, str] = {}
        self.seconds: float = TOKEN_SECONDS  # how long a new token works
        self.expires_in: Any = TOKEN_SECONDS  # what is said of it, however absurd
        self.given: dict[str, tuple[str, float]] = {}  # token: whose, until when

    def give(self, client_id: str, client_secret: str) -> Json:
        """Return a token for the right credentials."""
        with self.core.lock:
            if not client_id or self.clients.get(client_id) != client_secret:
                raise Refusal(401, "Invalid client or Invalid client credentials")
            token = secrets.token_urlsafe(32)
            self.given[token] = (client_id, self.core.now() + self.seconds)
            return {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": self.expires_in,
            }

    def kept(self) -> Json:
        """Return everything, for the state file."""
        return {
            "clients": self.clients,
            "seconds": self.seconds,
            "expires_in": self.expires_in,
            "given": self.given,
        }

    def recall(self, kept: Json) -> None:
        """Know all that again."""
        self.clients = dict(kept["clients"])
        self.seconds, self.expires_in = kept["seconds"], kept["expires_in"]
        self.given = {token: (who, until) for token, (who, until) in kept["given"].items()}

    def client_of(self, token: str) -> str:
        """Return whose token this is, while it works."""
        with self.core.lock:
            client_id, until = self.given.get(token, ("", 0.0))
            if not client_id or self.core.now() >= until:
                raise Refusal(401, "Unauthorized")
            return client_id


class Keys:
    """What was answered to each idempotency key."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._answers: dict[tuple[str, str, str], tuple[str, int, Any]] = {}

    def once(
        self, call: Call, body: Mapping[str, Any], act: Callable[[], tuple[int, Any]]
    ) -> tuple[int, Any]:
        """Act, or repeat the first answer that this key was given at this endpoint.

        The bank does not say what it does when a key comes again with another body. Here it
        is an error, so that a program that does this is found out.
        """
        if not call.idempotency_key:
            return act()
        try:
            version = uuid.UUID(call.idempotency_key).version
        except ValueError:
            version = None
        if version != 4:
            raise Refusal(400, "Idempotency-Key must be a UUID v4")
        place = (call.account, f"{call.method} {call.path}", call.idempotency_key)
        asked = json.dumps(body, sort_keys=True)
        with self.core.lock:
            if place not in self._answers:
                self._answers[place] = (asked, *act())
            else:
                call.replayed = True
            first, status, answer = self._answers[place]
            if first != asked:
                raise Refusal(409, "Idempotency-Key was used with another request")
            return status, answer

    def kept(self) -> list[Any]:
        """Return every answer with its key and place, for the state file."""
        return [[place, answer] for place, answer in self._answers.items()]

    def recall(self, kept: list[Any]) -> None:
        """Know these answers again."""
        for (client_id, endpoint, key), (asked, status, answer) in kept:
            self._answers[client_id, endpoint, key] = (asked, status, answer)
