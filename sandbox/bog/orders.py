"""Orders and cards of the Bank of Georgia, and a receipt in the bank's own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

STATUSES = {
    "created": "შექმნილი",
    "processing": "მუშავდება",
    "completed": "შესრულებული",
    "rejected": "უარყოფილი",
    "refund_requested": "მოთხოვნილია დაბრუნება",
    "refunded": "დაბრუნებული",
    "refunded_partially": "ნაწილობრივ დაბრუნებული",
    "auth_requested": "მოთხოვნილია ავტორიზაცია",
    "blocked": "დაბლოკილი",
    "partial_completed": "ნაწილობრივ შესრულებული",
}
# https://api.bog.ge/docs/en/payments/response-codes
CODES = {
    "100": "Successful payment",
    "101": "Payment declined because card usage is limited",
    "102": "Saved card wasn't found",
    "103": "Payment declined due to invalid card",
    "104": "Payment declined due to exceeding transaction limit",
    "105": "Payment declined because the card has expired",
    "106": "Payment declined due to exceeding the limit of the amount",
    "107": "Payment declined due to insufficient funds in the account",
    "108": "Authentication Declined",
    "109": "Technical Issue",
    "110": "Transaction Expired",
    "111": "Authentication timeout",
    "112": "General Error",
    "199": "Unknown Response",
}
GOOD = "good"
SILENT = "silent"  # nothing is ever heard of the payment unless it is settled by hand


@dataclass
class Card:
    """A test card. ``then`` is what automatic charges of it come to: a code, good, silent."""

    mask: str
    brand: str = "visa"
    expires: str = "12/29"
    now: str = GOOD  # what paying with it on the bank's page comes to
    then: str = GOOD


TEST_CARDS = {
    "good": Card("412345xxxxxx0100"),
    "mastercard": Card("548888xxxxxx9893", brand="mc"),
    "107": Card("412345xxxxxx0107", now="107", then="107"),
    "105": Card("412345xxxxxx0105", expires="01/20", now="105", then="105"),
    "101": Card("412345xxxxxx0101", now="101", then="101"),
    "108": Card("412345xxxxxx0108", now="108", then="108"),
    "109": Card("412345xxxxxx0109", now="109", then="109"),
    "good-then-107": Card("412345xxxxxx1107", then="107"),
    "good-then-105": Card("412345xxxxxx1105", then="105"),
    "silent": Card("412345xxxxxx0999", now=SILENT, then=SILENT),
}


@dataclass
class Order:
    """One order. Amounts are Decimals here and strings, like "59.0", in the receipt."""

    id: str
    client_id: str
    amount: Decimal
    currency: str
    external_id: str | None
    callback_url: str
    created_at: datetime
    success_url: str = ""
    fail_url: str = ""
    basket: list[dict[str, Any]] = field(default_factory=list)
    status: str = "created"
    code: str | None = None
    reject_reason: str | None = None
    card: Card | None = None
    option: str | None = None  # direct_debit, recurrent, subscription
    asked_to_save: str | None = None  # recurrent, subscription
    saved: str | None = None  # the same, once the card has paid
    parent_id: str | None = None
    transferred: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    transaction_id: str | None = None
    idempotency_key: str = ""
    fate: str = ""  # what an automatic charge comes to, whatever its card says
    actions: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in {"created", "processing"}

    @property
    def left(self) -> Decimal:
        """What was paid and not given back."""
        return self.transferred - self.refunded


def zoned(moment: datetime) -> str:
    """Write an instant as the bank does: 2022-11-01T13:19:43.021178Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def figure(amount: Decimal) -> str:
    """Write an amount as the bank does: 100.5, 59.0, never 59.00."""
    text = f"{amount.normalize():f}"
    return text if "." in text else f"{text}.0"


def receipt(order: Order) -> dict[str, Any]:
    """Return the receipt, which is also the body of a callback.

    https://api.bog.ge/docs/en/payments/standard-process/get-payment-details
    """
    return {
        "order_id": order.id,
        "industry": "ecommerce",
        "capture": "automatic",
        "external_order_id": order.external_id,
        "client": {
            "id": order.client_id,
            "brand_ka": "ნაითშიფტი",
            "brand_en": "Nightshift",
            "url": "https://nightshift.example",
        },
        "zoned_create_date": zoned(order.created_at),
        "zoned_expire_date": zoned(order.created_at + timedelta(minutes=20)),
        "order_status": {"key": order.status, "value": STATUSES[order.status]},
        "buyer": {"full_name": None, "email": None, "phone_number": None},
        "purchase_units": {
            "request_amount": figure(order.amount),
            "transfer_amount": figure(order.left),
            "refund_amount": figure(order.refunded),
            "currency_code": order.currency,
            "items": [_item(item) for item in order.basket],
        },
        "redirect_links": {"success": order.success_url, "fail": order.fail_url},
        "payment_detail": _payment(order),
        "discount": None,
        "actions": order.actions,
        "lang": "ka",
        "reject_reason": order.reject_reason,
    }


def _item(item: dict[str, Any]) -> dict[str, Any]:
    price = Decimal(str(item.get("unit_price", 0)))
    quantity = Decimal(str(item.get("quantity", 1)))
    return {
        "external_item_id": item.get("product_id"),
        "description": item.get("description"),
        "quantity": f"{quantity.normalize():f}",
        "unit_price": figure(price),
        "unit_discount_price": "0",
        "vat": "0",
        "vat_percent": "0",
        "total_price": figure(price * quantity),
        "package_code": None,
        "tin": None,
        "pinfl": None,
        "product_discount_id": None,
    }


def _payment(order: Order) -> dict[str, Any] | None:
    if order.card is None and order.code is None:
        return None  # nobody has tried to pay yet
    card = order.card
    return {
        "transfer_method": {"key": "card", "value": "ბარათით გადახდა"},
        "code": order.code,
        "code_description": CODES.get(order.code or ""),
        "transaction_id": order.transaction_id,
        "payer_identifier": card.mask if card else None,
        "payment_option": order.option,
        "card_type": card.brand if card else None,
        "card_expiry_date": card.expires if card else None,
        "request_account_tag": None,
        "transfer_account_tag": None,
        "saved_card_type": order.saved,
        "parent_order_id": order.parent_id,
    }
