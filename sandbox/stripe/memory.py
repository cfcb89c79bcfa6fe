"""Accounts as the state file keeps them, secrets and all."""

from dataclasses import asdict

from sandbox.core import Core, Json
from sandbox.stripe.cards import Instrument
from sandbox.stripe.state import Account, Settlement

__all__ = ["kept_account", "recalled_account"]

_PLAIN = (
    "id", "secret_key", "webhook_secret", "livemode", "name", "country", "revoked",
    "restricted",
)  # fmt: skip


def kept_account(account: Account, core: Core) -> Json:
    """Return all there is of an account."""
    return {
        **{name: getattr(account, name) for name in _PLAIN},
        "webhook_url": core.path_of(account.webhook_url),
        "instruments": {id: asdict(each) for id, each in account.instruments.items()},
        "settlements": {id: asdict(each) for id, each in account.settlements.items()},
        "objects": {kind: account.rows(kind)[::-1] for kind in account.tables},
    }


def recalled_account(kept: Json, core: Core) -> Account:
    """Return the account that ``kept_account`` was given."""
    account = Account(
        **{name: kept[name] for name in _PLAIN},
        webhook_url=core.address(kept["webhook_url"]),
        instruments={id: Instrument(**row) for id, row in kept["instruments"].items()},
        settlements={id: Settlement(**row) for id, row in kept["settlements"].items()},
    )
    for kind, rows in kept["objects"].items():
        table = account.table(kind)
        for row in rows:
            table.add(row)
    return account
