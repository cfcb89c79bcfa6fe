"""Idempotency keys, by Stripe's rules (docs.stripe.com/api/idempotent_requests).

A key belongs to an account. The same key with the same request gets the stored answer again,
a 500 too; with another one, 400; while the first is still being worked on, 409. What was
refused before anything was executed is not stored. After 24 hours a key is forgotten, and the
same request is done a second time.
"""

from dataclasses import asdict, dataclass
from typing import Any

from sandbox.stripe.errors import StripeError, invalid

__all__ = ["Keys", "Stored"]

KEPT = 24 * 3600  # seconds


@dataclass
class Stored:
    """A request and what became of it; no status: it is being worked on."""

    request: tuple[str, str, Any]
    at: float
    request_id: str
    status: int | None = None
    body: bytes = b""


class Keys:
    """The keys of all accounts. Touched under the lock only."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str], Stored] = {}

    def begin(
        self,
        account: str,
        key: str,
        *,
        request: tuple[str, str, Any],
        request_id: str,
        now: float,
    ) -> Stored | None:
        """Claim a key for a request; returns the stored answer if it was answered before."""
        if len(key) > 255:
            raise invalid("Idempotency keys cannot be longer than 255 characters.")
        stored = self._stored.get((account, key))
        if stored and stored.status is not None and now - stored.at >= KEPT:
            stored = None
        if stored is None:
            self._stored[account, key] = Stored(request, now, request_id)
            return None
        if stored.request != request:
            raise _other_request(key, stored.request, request)
        if stored.status is None:
            message = (
                "There is currently another in-progress request using this Idempotent Key "
                "(that probably means you submitted twice, and the other request is still "
                f"going through): {key}. Please try again later."
            )
            raise StripeError(409, "idempotency_error", message, code="idempotency_key_in_use")
        return stored

    def store(self, account: str, key: str, *, status: int, body: bytes) -> None:
        """Keep an answer for whoever comes with the key again."""
        stored = self._stored[account, key]
        stored.status, stored.body = status, body

    def forget(self, account: str, key: str) -> None:
        """Let the key go: nothing was done under it."""
        self._stored.pop((account, key), None)

    def kept(self) -> list[dict[str, Any]]:
        """Return every answer, for the state file. What nobody has done yet never was."""
        return [
            {**asdict(stored), "account": account, "key": key, "body": stored.body.decode()}
            for (account, key), stored in self._stored.items()
            if stored.status is not None
        ]

    def recall(self, kept: list[dict[str, Any]]) -> None:
        """Know these answers again."""
        for row in kept:
            method, path, tree = row["request"]
            self._stored[row["account"], row["key"]] = Stored(
                request=(method, path, tree),
                at=row["at"],
                request_id=row["request_id"],
                status=row["status"],
                body=row["body"].encode(),
            )


def _other_request(
    key: str, old: tuple[str, str, Any], new: tuple[str, str, Any]
) -> StripeError:
    same = "parameters" if old[:2] == new[:2] else "endpoint"
    message = (
        f"Keys for idempotent requests can only be used with the same {same} they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request."
    )
    return StripeError(400, "idempotency_error", message)
