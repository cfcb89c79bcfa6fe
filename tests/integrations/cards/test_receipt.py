"""A receipt of the bank's ..."""

import copy
import json
from typing import Any

import pytest
from moneyed import Money

from apps.integrations.cards import OrderStatus, Unreachable
from apps.integrations.cards.answers import read_object, read_receipt

# https://api.bog.ge/docs/en/payments/standard-process/get-payment-details
DOCUMENTED = {
    "order_id": "a767a276-cddd-43ec-9db3-9f9b39eee02d",
    "industry": "ecommerce",
    "capture": "manual",
    "external_order_id": "123456",
    "order_status": {"key": "refunded", "value": "დაბრუნებული"},
    "buyer": {"full_name": "John Doe", "email": "johndoe@gmail.com"},
    "purchase_units": {
        "request_amount": "100.5",
        "transfer_amount": "0.0",
        "refund_amount": "100.5",
        "currency_code": "GEL",
        "items": [],
    },
    "payment_detail": {
        "transfer_method": {"key": "card", "value": "ბარათით გადახდა"},
        "code": "100",
        "payer_identifier": "548888xxxxxx9893",
        "payment_option": "direct_debit",
        "saved_card_type": "subscription",
        "parent_order_id": "8d52130d-cb1b-45ea-b048-0f040a44e2a3",
    },
    "reject_reason": None,
}
MISSING = object()


def told(where: str = "", value: Any = MISSING) -> dict[str, Any]:
    """The documented receipt with one part changed or left out: ``purchase_units.items``."""
    whole: dict[str, Any] = copy.deepcopy(DOCUMENTED)
    *outer, last = where.split(".")
    part = whole
    for name in outer:
        part = part[name]
    if value is MISSING:
        part.pop(last, None)
    else:
        part[last] = value
    return whole


def test_says_what_happened() -> None:
    receipt = read_receipt(DOCUMENTED)

    assert receipt.order_id == "a767a276-cddd-43ec-9db3-9f9b39eee02d"
    assert receipt.external_id == "123456"
    assert receipt.status == OrderStatus.REFUNDED
    assert receipt.amount == Money("100.50", "GEL")
    assert receipt.paid == Money(0, "GEL")
    assert receipt.refunded == Money("100.50", "GEL")
    assert receipt.code == "100"
    assert receipt.card_mask == "548888xxxxxx9893"
    assert receipt.card_saved is True
    assert receipt.parent_id == "8d52130d-cb1b-45ea-b048-0f040a44e2a3"


@pytest.mark.parametrize("status", list(OrderStatus))
def test_may_have_any_documented_status(status: OrderStatus) -> None:
    assert read_receipt(told("order_status.key", status.value)).status == status


@pytest.mark.parametrize(
    ("amount", "money"),
    [
        ("59", "59.00"),
        ("59.0", "59.00"),
        ("59.00", "59.00"),
        ("59.000000", "59.00"),
        ("0.01", "0.01"),
        (59, "59.00"),
        ("999999999999.99", "999999999999.99"),
    ],
)
def test_has_an_amount(amount: Any, money: str) -> None:
    receipt = read_receipt(told("purchase_units.request_amount", amount))

    assert receipt.amount == Money(money, "GEL")


def test_may_have_an_amount_as_a_number() -> None:
    body = json.dumps(told("purchase_units.request_amount", 59.05)).encode()

    assert read_receipt(read_object(body)).amount == Money("59.05", "GEL")


@pytest.mark.parametrize("part", ["request_amount", "transfer_amount", "refund_amount"])
@pytest.mark.parametrize(
    "amount",
    [
        *(
            "NaN",
            "Infinity",
            "-59.0",
            "-0",
            "59.005",
            "1e5",
            "59,00",
            " 59",
            "",
            "5" * 400,
            "٥٩",
        ),
        *(True, [], {}, -59),
    ],
)
def test_cannot_be_read_with_an_amount_like(part: str, amount: Any) -> None:
    with pytest.raises(Unreachable, match=part):
        read_receipt(told(f"purchase_units.{part}", amount))


@pytest.mark.parametrize("currency", [MISSING, None, "", "gel", "XXXX", 5, ["GEL"]])
def test_cannot_be_read_without_a_currency(currency: Any) -> None:
    with pytest.raises(Unreachable, match="request_amount"):
        read_receipt(told("purchase_units.currency_code", currency))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("order_id", MISSING),
        ("order_id", 5),
        ("order_id", "a b"),
        ("order_status", MISSING),
        ("order_status", "completed"),
        ("order_status.key", "Completed"),
        ("order_status.key", "paid"),
        ("order_status.key", None),
        ("order_status.key", ["completed"]),
        ("purchase_units", MISSING),
        ("purchase_units", []),
        ("purchase_units.request_amount", MISSING),
        ("purchase_units.request_amount", None),
        ("payment_detail", "card"),
    ],
)
def test_cannot_be_read_without_what_matters(part: str, value: Any) -> None:
    with pytest.raises(Unreachable):
        read_receipt(told(part, value))


@pytest.mark.parametrize("nothing", [MISSING, None])
@pytest.mark.parametrize(
    "part",
    [
        "payment_detail",
        "purchase_units.transfer_amount",
        "purchase_units.refund_amount",
        "external_order_id",
        "reject_reason",
        "payment_detail.payer_identifier",
        "payment_detail.saved_card_type",
    ],
)
def test_can_be_read_when_nothing_was_paid_yet(part: str, nothing: Any) -> None:
    assert read_receipt(told(part, nothing)).amount == Money("100.50", "GEL")


@pytest.mark.parametrize(
    ("identifier", "mask"),
    [
        ("548888xxxxxx9893", "548888xxxxxx9893"),
        ("****9893", "****9893"),
        ("5488881234569893", ""),  # a whole number is never kept
        ("John Doe", ""),  # nor a person's name, as other ways of paying have here
        ("GE29NB0000000101904917", ""),
        (5, ""),
    ],
)
def test_shows_of_a_card_only_its_mask(identifier: Any, mask: str) -> None:
    assert read_receipt(told("payment_detail.payer_identifier", identifier)).card_mask == mask


@pytest.mark.parametrize(
    ("saved", "chargeable"),
    [("subscription", True), ("recurrent", False), (None, False), ("", False), (5, False)],
)
def test_says_whether_the_card_may_be_charged(saved: Any, chargeable: bool) -> None:
    receipt = read_receipt(told("payment_detail.saved_card_type", saved))

    assert receipt.card_saved is chargeable


@pytest.mark.parametrize(
    ("code", "reason", "kept"),
    [
        ("107", "Payment declined due to insufficient funds in the account", "107"),
        (107, None, "107"),
        (None, "expiration", "expiration"),
        (None, "unknown", "unknown"),
        (None, "Payment declined because card usage is limited", ""),
        ("<script>", None, ""),
    ],
)
def test_has_a_short_code(code: Any, reason: Any, kept: str) -> None:
    receipt = told("payment_detail.code", code)
    receipt["reject_reason"] = reason

    assert read_receipt(receipt).code == kept


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"<html></html>",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1',
        b"\xff\xfe\xfd",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_is_a_json_object_or_nothing(body: bytes) -> None:
    with pytest.raises(Unreachable) as trouble:
        read_object(body)

    assert str(trouble.value) == "The bank's answer cannot be read."
