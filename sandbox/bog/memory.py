"""Orders as the state file keeps them: JSON has neither decimals nor times."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from sandbox.bog.orders import Card, Order
from sandbox.core import Core, Json

__all__ = ["kept_order", "recalled_order"]

_AMOUNTS = ("amount", "transferred", "refunded")


def kept_order(order: Order, core: Core) -> Json:
    """Return all there is of an order."""
    return {
        **asdict(order),
        **{name: str(getattr(order, name)) for name in _AMOUNTS},
        "created_at": order.created_at.isoformat(),
        "callback_url": core.path_of(order.callback_url),
    }


def recalled_order(kept: Json, core: Core) -> Order:
    """Return the order that ``kept_order`` was given."""
    return Order(
        **{
            **kept,
            **{name: Decimal(kept[name]) for name in _AMOUNTS},
            "created_at": datetime.fromisoformat(kept["created_at"]),
            "callback_url": core.address(kept["callback_url"]),
            "card": Card(**kept["card"]) if kept["card"] else None,
        }
    )
