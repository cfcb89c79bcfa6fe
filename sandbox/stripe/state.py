"""One Stripe account: its objects as Stripe shows them, and what nobody is shown."""

import bisect
import secrets
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sandbox.core import Json
from sandbox.log import mask
from sandbox.stripe.cards import Instrument
from sandbox.stripe.errors import invalid, missing_object

__all__ = ["Account", "Accounts", "Settlement", "Table", "new_id"]

LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return an id as Stripe makes them; random, so that a restart never repeats one."""
    return f"{prefix}_" + "".join(secrets.choice(LETTERS) for _ in range(24))


class Table:
    """The objects of one kind, in the order in which Stripe lists them: newest first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.rows: dict[str, Json] = {}
        self._order: list[tuple[int, int, str]] = []  # oldest first

    def add(self, row: Json) -> Json:
        self.rows[row["id"]] = row
        bisect.insort(self._order, (row["created"], len(self._order), row["id"]))
        return row

    def newest_first(self) -> Iterable[Json]:
        return (self.rows[id] for _, _, id in reversed(self._order))

    def page(self, params: Json, *, url: str, where: Callable[[Json], bool]) -> Json:
        """Return one page of a list, as ``limit`` and the cursors ask for it."""
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            message = "Limits must be between 1 and 100."
            raise invalid(message, param="limit", code="parameter_invalid_integer")
        if "starting_after" in params and "ending_before" in params:
            raise invalid("You cannot parameterize both starting_after and ending_before.")
        created = _range(params.get("created"))
        rows = [row for row in self.newest_first() if created(row["created"]) and where(row)]
        backwards = "ending_before" in params
        cursor = params.get("ending_before") or params.get("starting_after")
        if backwards:
            rows.reverse()
        if cursor:
            rows = rows[self._after(rows, cursor, params) :]
        page, more = rows[:limit], len(rows) > limit
        if backwards:
            page.reverse()
        return {"object": "list", "data": page, "has_more": more, "url": url}

    def _after(self, rows: list[Json], cursor: str, params: Json) -> int:
        param = "ending_before" if "ending_before" in params else "starting_after"
        if cursor not in self.rows:
            raise missing_object(self.kind, cursor, param=param)
        for index, row in enumerate(rows):
            if row["id"] == cursor:
                return index + 1
        raise invalid(f"The cursor '{cursor}' is not in this list.", param=param)


def _range(created: int | Json | None) -> Callable[[int], bool]:
    if created is None:
        return lambda at: True
    if isinstance(created, int):
        return lambda at: at == created
    low = max(created.get("gte", 0), created.get("gt", -1) + 1)
    high = min(created.get("lte", 1 << 62), created.get("lt", (1 << 62) + 1) - 1)
    return lambda at: low <= at <= high


@dataclass
class Settlement:
    """A bank debit under way: when it arrives by itself (None: on command), and how."""

    due: float | None
    outcome: str  # succeeds, or a decline code


@dataclass
class Account:
    """Whose objects they are. Nothing of one account is ever visible to another."""

    id: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    livemode: bool = False
    name: str = ""
    country: str = "US"
    webhook_url: str = ""
    revoked: bool = False
    restricted: bool = False
    instruments: dict[str, Instrument] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """Where an idempotency key is known: test and live mode are worlds apart."""
        return f"{self.id} {'live' if self.livemode else 'test'}"

    def table(self, kind: str) -> Table:
        return self.tables.setdefault(kind, Table(kind))

    def rows(self, kind: str) -> list[Json]:
        """Return the objects of a kind, newest first."""
        return list(self.table(kind).newest_first())

    def get(self, kind: str, id: str, *, param: str = "id", status: int = 400) -> Json:
        """Return an object, or refuse; in a path (``status=404``) or as a parameter."""
        row = self.table(kind).rows.get(id)
        if row is None or row.get("deleted"):
            name = _KINDS.get(kind, kind)
            raise missing_object(name, id, param=param, status=status)
        return row

    def as_json(self) -> Json:
        """Return all that is known of it, without its secrets."""
        return {
            "id": self.id,
            "name": self.name,
            "livemode": self.livemode,
            "revoked": self.revoked,
            "webhook_url": self.webhook_url,
            "objects": {kind: [mask(row) for row in self.rows(kind)] for kind in self.tables},
        }

    def find(self, id: str) -> Json | None:
        """Return whatever object has this id."""
        tables = self.tables.values()
        return next((table.rows[id] for table in tables if id in table.rows), None)


class Accounts(dict[str, Account]):
    """Every account, by its secret key."""

    def named(self, secret_key: str) -> Account:
        """Return the account with this key; without one, the only account there is."""
        if secret_key:
            return self[secret_key]
        (only,) = self.values()
        return only

    def owner(self, kind: str, id: str) -> tuple[Account, Json]:
        """Return whose object this is, and the object."""
        for account in self.values():
            if id in account.table(kind).rows:
                return account, account.table(kind).rows[id]
        raise LookupError(f"no {kind} '{id}' in the sandbox")

    def rows(self, kind: str) -> list[Json]:
        """Return every account's objects of a kind, newest first."""
        rows = [row for account in self.values() for row in account.rows(kind)]
        return sorted(rows, key=lambda row: row["created"], reverse=True)


_KINDS = {
    "checkout.session": "checkout.session",
    "payment_method": "PaymentMethod",
    "setup_intent": "setupintent",
}
