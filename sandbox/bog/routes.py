"""The bank's HTTP: tokens, orders, charges, receipts (https://api.bog.ge/docs/en/payments)."""

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, json, request

from sandbox.bog.access import Refusal
from sandbox.bog.orders import Order, receipt
from sandbox.bog.page import add_page
from sandbox.core import Json, current_call

if TYPE_CHECKING:
    from sandbox.bog.bank import Bog

__all__ = ["make_blueprint"]

API = "/bog/payments/v1"
CURRENCIES = frozenset({"GEL", "USD", "EUR", "GBP"})
# https://api.bog.ge/docs/en/payments/standard-process/create-order
PARAMETERS = frozenset(
    {
        "application_type", "buyer", "callback_url", "external_order_id", "capture",
        "purchase_units", "redirect_urls", "ttl", "payment_method", "config",
    }
)  # fmt: skip


def make_blueprint(bank: "Bog") -> Blueprint:
    """Return the bank's routes."""
    routes = Blueprint("bog", __name__)
    add_page(routes, bank)

    @routes.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        return _answer(refusal.status, {"message": str(refusal)})

    @routes.post("/bog/token")
    def token() -> Response:
        bank.core.during(current_call())
        asker = request.authorization
        if request.form.get("grant_type") != "client_credentials":
            return _answer(400, {"error": "unsupported_grant_type"})
        if asker is None or asker.type != "basic":
            return _answer(401, {"error": "invalid_client"})
        current_call().account = asker.username or ""
        try:
            return _answer(200, bank.tokens.give(asker.username or "", asker.password or ""))
        except Refusal as refusal:
            told = {"error": "invalid_client", "error_description": str(refusal)}
            return _answer(refusal.status, told)

    @routes.post(f"{API}/ecommerce/orders")
    def create() -> Response:
        def act(client_id: str, body: Mapping[str, Any]) -> tuple[int, Json]:
            order = bank.add(_new_order(bank, client_id, body))
            return 200, _links(order, page=True)

        return _do(bank, act)

    @routes.put(f"{API}/orders/<order_id>/subscriptions")
    def save_card(order_id: str) -> Response:
        def act(client_id: str, body: Mapping[str, Any]) -> tuple[int, None]:
            order = bank.find(client_id, order_id)
            if order.status != "created":
                raise Refusal(400, "The order has been paid already")
            order.asked_to_save = "subscription"
            return 202, None

        return _do(bank, act)

    @routes.delete(f"{API}/charges/card/<order_id>")
    def forget_card(order_id: str) -> Response:
        def act(client_id: str, body: Mapping[str, Any]) -> tuple[int, None]:
            bank.forget_card(bank.find(client_id, order_id).id)
            return 202, None

        return _do(bank, act)

    @routes.post(f"{API}/ecommerce/orders/<parent_id>/subscribe")
    def charge(parent_id: str) -> Response:
        def act(client_id: str, body: Mapping[str, Any]) -> tuple[int, Json]:
            parent = bank.find(client_id, parent_id)
            return 200, _links(bank.charge(parent, asked=body, call=current_call()))

        return _do(bank, act)

    @routes.get(f"{API}/receipt/<order_id>")
    def show(order_id: str) -> Response:
        return _do(bank, lambda client_id, body: (200, receipt(bank.find(client_id, order_id))))

    return routes


def _do(
    bank: "Bog", act: Callable[[str, Mapping[str, Any]], tuple[int, Json | None]]
) -> Response:
    """Do something for whoever's token it is, once per idempotency key."""
    call = current_call()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    call.account = client_id = bank.tokens.client_of(token if scheme == "Bearer" else "")
    call.idempotency_key = request.headers.get("Idempotency-Key", "")
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        raise Refusal(400, "The body is no JSON object")
    bank.core.during(call)
    with bank.core.lock:
        return _answer(*bank.keys.once(call, body, lambda: act(client_id, body)))


def _new_order(bank: "Bog", client_id: str, body: Mapping[str, Any]) -> Order:
    if unknown := set(body) - PARAMETERS:
        raise Refusal(400, f"Unknown parameters: {', '.join(sorted(unknown))}")
    units = body.get("purchase_units")
    if not isinstance(units, dict) or not units.get("basket"):
        raise Refusal(400, "purchase_units.basket is required")
    if not isinstance(body.get("callback_url"), str) or not body["callback_url"]:
        raise Refusal(400, "callback_url is required")
    currency = units.get("currency", "GEL")
    if currency not in CURRENCIES:
        raise Refusal(400, "purchase_units.currency is not supported")
    links = body.get("redirect_urls") or {}
    return Order(
        id=str(uuid.uuid4()),
        client_id=client_id,
        amount=_amount(units.get("total_amount")),
        currency=currency,
        external_id=body.get("external_order_id"),
        callback_url=body["callback_url"],
        created_at=bank.moment(),
        success_url=links.get("success") or "",
        fail_url=links.get("fail") or "",
        basket=list(units["basket"]),
        idempotency_key=current_call().idempotency_key,
    )


def _amount(told: Any) -> Decimal:
    try:
        amount = Decimal(str(told))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0 or amount != round(amount, 2):
        raise Refusal(400, "purchase_units.total_amount must be a positive amount")
    return amount


def _links(order: Order, *, page: bool = False) -> Json:
    here = request.host_url.rstrip("/")
    links = {"details": {"href": f"{here}{API}/receipt/{order.id}"}}
    if page:
        links["redirect"] = {"href": f"{here}/bog/page?order_id={order.id}"}
    return {"id": order.id, "_links": links}


def _answer(status: int, told: Json | None) -> Response:
    body = b"" if told is None else json.dumps(told)
    return Response(body, status, content_type="application/json")
