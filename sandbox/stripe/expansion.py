"""``expand[]``: references replaced by the objects they name."""

from collections.abc import Sequence
from typing import Any

from sandbox.core import Json
from sandbox.stripe.errors import invalid
from sandbox.stripe.state import Account

__all__ = ["check_expand", "shown"]

# What Stripe expands, of what the sandbox has: kind → property → the kind it leads to.
_PROPERTIES = {
    "charge": {
        "customer": "customer",
        "payment_intent": "payment_intent",
        "refunds": "refunds",
    },
    "checkout.session": {
        "customer": "customer",
        "payment_intent": "payment_intent",
        "setup_intent": "setup_intent",
    },
    "customer": {"invoice_settings": "invoice_settings"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "invoice_settings": {"default_payment_method": "payment_method"},
    "payment_intent": {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
    },
    "payment_method": {"customer": "customer"},
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
    },
    "refunds": {"data": "refund"},
    "setup_intent": {"customer": "customer", "payment_method": "payment_method"},
}


def check_expand(kind: str, paths: Sequence[str], *, listed: bool) -> None:
    """Refuse what cannot be expanded, before anything is done."""
    for path in paths:
        names = path.split(".")
        if len(names) > 4:
            message = f"You cannot expand more than 4 levels of a property: {path}"
            raise invalid(message, param="expand")
        if listed and names.pop(0) != "data":
            message = f"This property cannot be expanded ({path}). Did you mean data.{path}?"
            raise invalid(message, param="expand")
        now = kind
        for name in names:
            if name not in _PROPERTIES.get(now, {}):
                raise invalid(f"This property cannot be expanded ({path}).", param="expand")
            now = _PROPERTIES[now][name]


def shown(account: Account, row: Json, paths: Sequence[str] = ()) -> Json:
    """Return the object with what ``paths`` name in place of its ids; nothing is changed."""
    for path in paths:
        row = _expanded(account, row, path.split("."))
    return row


def _expanded(account: Account, value: Any, path: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_expanded(account, each, path) for each in value]
    if not isinstance(value, dict) or not path:
        return value
    name, *rest = path
    inner = value.get(name)
    if inner is None and value.get("object") == "charge" and name == "refunds":
        inner = _refunds(account, value["id"])
    if isinstance(inner, str):
        inner = account.find(inner) or inner
    return {**value, name: _expanded(account, inner, rest)}


def _refunds(account: Account, charge_id: str) -> Json:
    rows = [row for row in account.rows("refund") if row["charge"] == charge_id]
    return {
        "object": "list",
        "data": rows[:10],
        "has_more": len(rows) > 10,
        "url": f"/v1/charges/{charge_id}/refunds",
    }
