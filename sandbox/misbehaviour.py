"""What the sandbox can be told to do wrong, and when.

========================  ===================================================================
kind                      what the caller sees
========================  ===================================================================
``decline``               the vendor says no: ``code``, ``advice``
``slow``                  the request takes ``seconds`` and its key is in flight meanwhile
``timeout_before``        nothing is done and no answer ever comes
``timeout_after``         it is done and no answer ever comes
``reset_before``          nothing is done and the connection is reset
``reset_after``           it is done and the connection is reset
``error_before``          nothing is done; ``status`` (500)
``error_after``           it is done; ``status`` (500). A Stripe 500 is stored under the key and
                          replayed, unless ``stored`` is false; any other status is not
``rate_limit``            nothing is done; 429 with ``retry_after`` seconds (1)
``malformed``             it is done and the answer is half a JSON document
``trickle``               it is done and the answer drips, a byte ``every`` (0.2) s, for ever
``flood``                 the directory only: bytes without an end, as fast as they go
``die_before``            the process ends before doing it (only when it is one of its own)
``die_after``             the process ends after doing it
========================  ===================================================================

The directory knows those that say nothing of money: its ``status`` is an LDAP result code (51,
busy), and ``method`` is BIND, SEARCH or EXTENDED.

Each applies to the requests that match ``method`` (POST; ``*`` is any), ``path`` (with ``*``)
and ``where`` (parameters, as they are spelled on the wire: ``{"metadata[invoice]": "5"}``),
from the ``nth`` of them on, ``count`` times (None: always).
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["KINDS", "Misbehaviour", "Misbehaviours"]

KINDS = frozenset(
    {
        "decline",
        "slow",
        "timeout_before",
        "timeout_after",
        "reset_before",
        "reset_after",
        "error_before",
        "error_after",
        "rate_limit",
        "malformed",
        "trickle",
        "flood",
        "die_before",
        "die_after",
    }
)


@dataclass
class Misbehaviour:
    """One rule, and how often it was met and played."""

    kind: str
    vendor: str
    method: str = "POST"
    path: str = "*"
    where: Mapping[str, Any] = field(default_factory=dict)
    nth: int = 1
    count: int | None = 1
    details: dict[str, Any] = field(default_factory=dict)
    met: int = 0
    played: int = 0

    def plays(self, *, vendor: str, method: str, path: str, params: Mapping[str, Any]) -> bool:
        """Count this request, and say whether it is one to be spoiled."""
        if (
            self.vendor != vendor
            or self.method not in {"*", method}
            or not fnmatchcase(path, self.path)
            or any(str(params.get(key)) != str(value) for key, value in self.where.items())
        ):
            return False
        self.met += 1
        if self.met < self.nth or (self.count is not None and self.played >= self.count):
            return False
        self.played += 1
        return True


class Misbehaviours:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rules: list[Misbehaviour] = []

    def reset(self) -> None:
        with self._lock:
            self.rules.clear()

    def add(
        self,
        kind: str,
        *,
        vendor: str,
        method: str = "POST",
        path: str = "*",
        where: Mapping[str, Any] | None = None,
        nth: int = 1,
        count: int | None = 1,
        **details: Any,
    ) -> Misbehaviour:
        """Misbehave from now on; see the module's docstring."""
        if kind not in KINDS:
            raise ValueError(f"no misbehaviour '{kind}'; there are {', '.join(sorted(KINDS))}")
        rule = Misbehaviour(kind, vendor, method, path, where or {}, nth, count, details)
        with self._lock:
            self.rules.append(rule)
        return rule

    def take(
        self, *, vendor: str, method: str, path: str, params: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return what this request has to suffer: kind → details."""
        with self._lock:
            return {
                rule.kind: rule.details
                for rule in self.rules
                if rule.plays(vendor=vendor, method=method, path=path, params=params)
            }
