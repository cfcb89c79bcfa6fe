"""The record of every request and every effect. In proofs about money it is the judge."""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Call", "Effect", "Log", "mask"]

SECRET_WORDS = ("apikey", "secret", "password", "token", "authorization", "cvc", "number]")
MASK = "***"


@dataclass
class Call:
    """One request, as it came and as it was answered."""

    number: int
    at: float
    vendor: str
    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""
    account: str = ""  # whose, never a secret
    status: int | None = None  # None: nobody was answered (yet)
    replayed: bool = False
    misbehaved: list[str] = field(default_factory=list)
    plan: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def told(self, kind: str) -> dict[str, Any] | None:
        """Return the details of what this call was told to play, or None."""
        return self.plan.get(kind)

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "plan"}


@dataclass(frozen=True)
class Effect:
    """Something that really happened: money moved, or was taken back."""

    number: int
    at: float
    vendor: str
    account: str
    kind: str  # charge, refund, dispute, dispute_won
    id: str  # the vendor's id of the payment
    amount: Any  # as the vendor counts: Stripe in minor units, the bank in decimals
    currency: str
    metadata: dict[str, str]
    idempotency_key: str = ""
    request: int = 0  # the number of the call that caused it; 0: none did


class Log:
    """Append-only lists; also lines of JSON in a file, which outlive a killed process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file: Path | None = None
        self.reset()

    def reset(self) -> None:
        self.requests: list[Call] = []
        self.effects: list[Effect] = []

    def write_to(self, path: Path) -> None:
        """Write each finished request and each effect to this file as well."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path

    def open(
        self, *, at: float, vendor: str, method: str, path: str, params: Mapping[str, Any]
    ) -> Call:
        with self._lock:
            number = len(self.requests) + 1
            call = Call(number, at, vendor, method, path, mask(params))
            self.requests.append(call)
            return call

    def close(self, call: Call) -> None:
        self._write({"request": call.as_json()})

    def effect(
        self,
        *,
        at: float,
        vendor: str,
        account: str,
        kind: str,
        id: str,
        amount: Any,
        currency: str,
        metadata: Mapping[str, str],
        call: Call | None = None,
    ) -> Effect:
        """Write down that money moved; ``call`` is the request that moved it, if one did."""
        with self._lock:
            effect = Effect(
                number=len(self.effects) + 1,
                at=at,
                vendor=vendor,
                account=account,
                kind=kind,
                id=id,
                amount=amount,
                currency=currency,
                metadata=dict(metadata),
                idempotency_key=call.idempotency_key if call else "",
                request=call.number if call else 0,
            )
            self.effects.append(effect)
        self._write({"effect": asdict(effect)})
        return effect

    def kept(self) -> dict[str, Any]:
        """Return all of it, for the state file."""
        with self._lock:
            return {
                "requests": [each.as_json() for each in self.requests],
                "effects": [asdict(each) for each in self.effects],
            }

    def recall(self, kept: Mapping[str, Any]) -> None:
        """Go on after these; numbers go on, too."""
        with self._lock:
            self.requests = [Call(**row) for row in kept["requests"]]
            self.effects = [Effect(**row) for row in kept["effects"]]

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file:
            with self._lock, self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, default=str) + "\n")


def mask(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as the log may keep them."""
    return {key: _masked(key, value) for key, value in params.items()}


def _masked(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in SECRET_WORDS):
        return MASK
    if isinstance(value, Mapping):
        return mask(value)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_masked(key, each) for each in value]
    return value
