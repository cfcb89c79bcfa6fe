"""Checkout sessions: pages of Stripe's on which a customer pays, or stores a card."""

from typing import Any

from stripe.params.checkout._session_create_params import SessionCreateParams
from stripe.params.checkout._session_expire_params import SessionExpireParams
from stripe.params.checkout._session_list_params import SessionListParams
from stripe.params.checkout._session_retrieve_params import SessionRetrieveParams

from sandbox.core import Json
from sandbox.stripe import shapes
from sandbox.stripe.amounts import check_amount, check_currency
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.charging import Charging
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import notify
from sandbox.stripe.methods import from_token
from sandbox.stripe.setups import store
from sandbox.stripe.state import new_id

__all__ = ["complete", "expire", "return_address"]

KIND = "checkout.session"


@endpoint("POST", "/checkout/sessions", KIND, SessionCreateParams)
def create(ask: Ask) -> Json:
    params = ask.params
    mode = params.get("mode")
    if mode not in {"payment", "setup"}:
        raise invalid("You must provide a mode: payment or setup.", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise invalid("The sandbox has hosted pages only.", param="ui_mode")
    if "success_url" not in params:
        raise invalid("Missing required param: success_url.", param="success_url")
    for name in ("success_url", "cancel_url"):
        if name in params and not params[name].startswith(("http://", "https://")):
            raise invalid("Not a valid URL", param=name, code="url_invalid")
    if "customer" in params:
        ask.account.get("customer", params["customer"], param="customer")
    id = new_id("cs_live" if ask.account.livemode else "cs_test")
    copied = ("cancel_url", "client_reference_id", "customer", "customer_email", "metadata")
    session = shapes.session(
        id=id,
        created=ask.now,
        livemode=ask.account.livemode,
        mode=mode,
        url=f"{ask.host}/c/pay/{id}",
        success_url=params["success_url"],
        **{name: params[name] for name in copied if name in params},
    )
    if mode == "payment":
        _price(ask, session)
        ask.stripe.checkouts[id] = params.get("payment_intent_data", {})
    else:
        _prepare_setup(ask, session)
    return ask.account.table(KIND).add(session)


@endpoint("GET", "/checkout/sessions/<id>", KIND, SessionRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    return ask.account.get(KIND, id, status=404)


@endpoint("GET", "/checkout/sessions", KIND, SessionListParams)
def listed(ask: Ask) -> Json:
    names = [name for name in ("customer", "payment_intent", "status") if name in ask.params]
    return ask.page(KIND, **{name: ask.params[name] for name in names})


@endpoint("POST", "/checkout/sessions/<id>/expire", KIND, SessionExpireParams)
def expired(ask: Ask, id: str) -> Json:
    session = ask.account.get(KIND, id, status=404)
    if session["status"] != "open":
        message = 'Only Checkout Sessions with a status in ["open"] can be expired.'
        raise invalid(message)
    expire(Charging(ask.core, ask.account, ask.call), session)
    return session


def expire(charging: Charging, session: Json) -> None:
    """Close a session that nobody completed."""
    session |= {"status": "expired", "url": None}
    charging.notify("checkout.session.expired", session)


def complete(charging: Charging, session: Json, *, token: str, data: Json) -> None:
    """Let the customer pay, or store a card, with a test token; raises the bank's decline."""
    account = charging.account
    method = from_token(account, token, now=int(charging.core.now()))
    if session["mode"] == "setup":
        setup = account.get("setup_intent", session["setup_intent"])
        store(charging, setup, method)
    else:
        _pay(charging, session, method, data)
    session |= {
        "customer_details": {
            "address": None,
            "email": session["customer_email"],
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "status": "complete",
        "url": None,
    }
    charging.notify("checkout.session.completed", session)


def return_address(session: Json) -> str:
    """Return where the customer goes after completing the page."""
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _pay(charging: Charging, session: Json, method: Json, data: Json) -> None:
    account = charging.account
    if session["payment_intent"]:  # declined before, on the same page
        intent = account.get("payment_intent", session["payment_intent"])
    else:
        copied = ("description", "metadata", "receipt_email", "setup_future_usage")
        intent = shapes.payment_intent(
            created=int(charging.core.now()),
            livemode=account.livemode,
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            **{name: data[name] for name in copied if name in data},
        )
        account.table("payment_intent").add(intent)
        session["payment_intent"] = intent["id"]
        charging.notify("payment_intent.created", intent)
    if data.get("setup_future_usage") and session["customer"]:
        method["customer"] = session["customer"]
    behaviour = account.instruments[method["id"]].behaviour[0]
    # On the page the customer is there to authenticate.
    played = "succeeds" if behaviour == "authentication_required" else ""
    charging.confirm(intent, method, behaviour=played)
    if method["customer"]:
        charging.notify("payment_method.attached", method)
    session["payment_status"] = "paid" if intent["status"] == "succeeded" else "unpaid"


def _price(ask: Ask, session: Json) -> None:
    items: list[Json] = ask.params.get("line_items", [])
    if not items:
        message = "Missing required param: line_items."
        raise invalid(message, param="line_items", code="parameter_missing")
    total, currencies = 0, set()
    for index, item in enumerate(items):
        param = f"line_items[{index}]"
        price: Json = item.get("price_data", {})
        if "unit_amount" not in price or not ("product_data" in price or "product" in price):
            message = "You must specify price_data with unit_amount and product_data."
            raise invalid(message, param=f"{param}[price_data]")
        currencies.add(
            check_currency(price["currency"], param=f"{param}[price_data][currency]")
        )
        total += price["unit_amount"] * _quantity(item, param)
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    (currency,) = currencies
    check_amount(total, currency, param="line_items")
    session |= {
        "amount_subtotal": total,
        "amount_total": total,
        "currency": currency,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
    }


def _quantity(item: Json, param: str) -> int:
    quantity: Any = item.get("quantity")
    if not quantity:
        message = "Quantity is required."
        raise invalid(message, param=f"{param}[quantity]", code="parameter_missing")
    return int(quantity)


def _prepare_setup(ask: Ask, session: Json) -> None:
    for name in ("line_items", "payment_intent_data"):
        if name in ask.params:
            raise invalid(f"You can not pass `{name}` in `setup` mode.", param=name)
    if "currency" not in ask.params and "allowed_payment_method_types" not in ask.params:
        message = "You must specify a currency in `setup` mode."
        raise invalid(message, param="currency", code="parameter_missing")
    data = ask.params.get("setup_intent_data", {})
    setup = shapes.setup_intent(
        created=ask.now,
        livemode=ask.account.livemode,
        customer=ask.params.get("customer"),
        metadata=data.get("metadata", {}),
        description=data.get("description"),
    )
    ask.account.table("setup_intent").add(setup)
    notify(ask.core, ask.account, "setup_intent.created", setup, call=ask.call)
    if "currency" in ask.params:
        session["currency"] = check_currency(ask.params["currency"])
    session["setup_intent"] = setup["id"]
