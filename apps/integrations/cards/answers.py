"""Reading what the bank says: strictly, and without repeating any of it in an error."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from moneyed import Money

from apps.core import money
from apps.core.problems import Problem
from apps.integrations.cards import OrderStatus, Receipt, Unreachable

# Parts of numbers that the bank's page shows of a card: 548888xxxxxx9893. Payments of other
# kinds have an account's or a person's name there, which nobody here needs.
_CARD_MASK = re.compile(r"\d{0,6}[xX*•]+\d{0,4}")
_ORDER_ID = re.compile(r"[\w-]{1,60}", re.ASCII)
_CODE = re.compile(r"\w{1,20}", re.ASCII)
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)


def read_object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object that an answer is; raises ``Unreachable`` for anything else."""
    try:
        told = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreachable("The bank's answer cannot be read.") from None
    if not isinstance(told, dict):
        raise Unreachable("The bank's answer cannot be read.")
    return told


def read_order_id(told: Mapping[str, Any], key: str = "id") -> str:
    """Return the bank's id of an order."""
    found = told.get(key)
    if not isinstance(found, str) or not _ORDER_ID.fullmatch(found):
        raise Unreachable("The bank's answer has no order id.")
    return found


def read_page(told: Mapping[str, Any]) -> str:
    """Return the address of the bank's page for an order."""
    address = _part(_part(told, "_links"), "redirect").get("href")
    if not isinstance(address, str) or not address.startswith(("https://", "http://")):
        raise Unreachable("The bank's answer has no address of a page.")
    return address


def read_receipt(told: Mapping[str, Any]) -> Receipt:
    """Return a receipt from the bank's own words, also those in the body of a callback.

    Raises ``Unreachable`` when a part that matters is missing, not a number, negative, finer
    than the currency, or a status of which nobody here has heard.
    """
    units = _part(told, "purchase_units")
    detail = _part(told, "payment_detail", needed=False)
    return Receipt(
        order_id=read_order_id(told, "order_id"),
        external_id=_text(told.get("external_order_id")),
        status=_status(_part(told, "order_status")),
        amount=_amount(units, "request_amount"),
        paid=_amount(units, "transfer_amount", default=Decimal(0)),
        refunded=_amount(units, "refund_amount", default=Decimal(0)),
        code=_code(detail, told),
        card_mask=_matching(_CARD_MASK, detail.get("payer_identifier"))[:24],
        # "recurrent" cards may be charged only by the customer, on the bank's page.
        card_saved=detail.get("saved_card_type") == "subscription",
        parent_id=_matching(_ORDER_ID, detail.get("parent_order_id")),
    )


def _no_number(constant: str) -> NoReturn:
    raise ValueError  # NaN and Infinity, which JSON does not have


def _part(told: Mapping[str, Any], key: str, *, needed: bool = True) -> Mapping[str, Any]:
    found = told.get(key)
    if isinstance(found, dict):
        return found
    if needed or found is not None:
        raise Unreachable(f"The bank's answer has no {key}.")
    return {}


def _status(told: Mapping[str, Any]) -> OrderStatus:
    try:
        return OrderStatus(told.get("key", ""))
    except ValueError:
        raise Unreachable(
            "The bank's answer has an order status that is not known here."
        ) from None


def _amount(units: Mapping[str, Any], key: str, *, default: Decimal | None = None) -> Money:
    told = units.get(key)
    currency = units.get("currency_code")
    try:
        unit = money.currency(currency if isinstance(currency, str) else "")
        amount = default if told is None and default is not None else _decimal(told)
        found = money.from_minor(money.to_minor(Money(amount, unit)), unit.code)
    except (Problem, InvalidOperation, ValueError):
        raise Unreachable(f"The bank's answer has no {key} that can be read.") from None
    if found.amount != amount:
        raise Unreachable(f"The bank's answer has a {key} finer than the currency.")
    return found


def _decimal(told: object) -> Decimal:
    """Amounts are documented as strings; a plain number would be as good."""
    text = str(told) if isinstance(told, str | int | Decimal) else ""
    if not _AMOUNT.fullmatch(text):
        raise ValueError
    return Decimal(text)


def _code(detail: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    code = detail.get("code")
    if code is None:  # nobody tried to pay: "expiration"
        code = told.get("reject_reason")
    return _matching(_CODE, str(code) if isinstance(code, int) else code)


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""


def _matching(pattern: re.Pattern[str], told: object) -> str:
    return told if isinstance(told, str) and pattern.fullmatch(told) else ""
