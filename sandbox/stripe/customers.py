"""Customers, and the account itself."""

from stripe.params._account_retrieve_current_params import AccountRetrieveCurrentParams
from stripe.params._customer_create_params import CustomerCreateParams
from stripe.params._customer_delete_params import CustomerDeleteParams
from stripe.params._customer_list_params import CustomerListParams
from stripe.params._customer_retrieve_params import CustomerRetrieveParams
from stripe.params._customer_update_params import CustomerUpdateParams
from stripe.params._event_list_params import EventListParams
from stripe.params._event_retrieve_params import EventRetrieveParams

from sandbox.core import Json
from sandbox.stripe import shapes
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.cards import TOKENS
from sandbox.stripe.events import notify
from sandbox.stripe.methods import attach, from_token

__all__: list[str] = []

KIND = "customer"
COPIED = ("address", "balance", "description", "email", "metadata", "name", "phone", "shipping")


@endpoint("POST", "/customers", KIND, CustomerCreateParams)
def create(ask: Ask) -> Json:
    customer = shapes.customer(
        created=ask.now,
        livemode=ask.account.livemode,
        **{name: ask.params[name] for name in COPIED if name in ask.params},
    )
    ask.account.table(KIND).add(customer)
    if "payment_method" in ask.params:
        token = ask.params["payment_method"]
        if token in TOKENS:
            method = from_token(ask.account, token, now=ask.now)
        else:
            method = ask.account.get("payment_method", token, param="payment_method")
        attach(ask, method, customer["id"])
    notify(ask.core, ask.account, "customer.created", customer, call=ask.call)
    return customer


@endpoint("GET", "/customers/<id>", KIND, CustomerRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    row = ask.account.table(KIND).rows.get(id)
    if row and row.get("deleted"):
        return {"id": id, "object": KIND, "deleted": True}
    return ask.account.get(KIND, id, status=404)


@endpoint("GET", "/customers", KIND, CustomerListParams)
def listed(ask: Ask) -> Json:
    equal = {"email": ask.params["email"]} if "email" in ask.params else {}
    return ask.account.table(KIND).page(
        ask.params,
        url=ask.call.path,
        where=lambda row: (
            not row.get("deleted") and all(row[name] == value for name, value in equal.items())
        ),
    )


@endpoint("POST", "/customers/<id>", KIND, CustomerUpdateParams)
def update(ask: Ask, id: str) -> Json:
    customer = ask.account.get(KIND, id, status=404)
    before = {name: customer[name] for name in COPIED if name in ask.params}
    for name in COPIED:
        if name == "metadata" and isinstance(ask.params.get(name), dict):
            merged = {**customer["metadata"], **ask.params["metadata"]}
            customer["metadata"] = {key: value for key, value in merged.items() if value}
        elif name in ask.params:
            empty: Json | None = {} if name == "metadata" else None
            customer[name] = ask.params[name] or empty
    default = ask.params.get("invoice_settings", {}).get("default_payment_method")
    if default:
        ask.account.get("payment_method", default, param="invoice_settings")
        customer["invoice_settings"]["default_payment_method"] = default
    notify(ask.core, ask.account, "customer.updated", customer, call=ask.call, before=before)
    return customer


@endpoint("DELETE", "/customers/<id>", KIND, CustomerDeleteParams)
def delete(ask: Ask, id: str) -> Json:
    customer = ask.account.get(KIND, id, status=404)
    notify(ask.core, ask.account, "customer.deleted", customer, call=ask.call)
    for method in ask.account.rows("payment_method"):
        if method["customer"] == id:
            method["customer"] = None
            ask.account.instruments[method["id"]].used = True
    created = customer["created"]
    customer.clear()
    customer |= {"id": id, "object": KIND, "created": created, "deleted": True}
    return {"id": id, "object": KIND, "deleted": True}


@endpoint("GET", "/account", "account", AccountRetrieveCurrentParams)
def account(ask: Ask) -> Json:
    return {
        "id": ask.account.id,
        "object": "account",
        "business_profile": {"name": ask.account.name or None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": ask.account.country,
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": ask.account.name or None}},
        "type": "standard",
    }


@endpoint("GET", "/events/<id>", "event", EventRetrieveParams)
def event(ask: Ask, id: str) -> Json:
    return ask.account.get("event", id, status=404)


@endpoint("GET", "/events", "event", EventListParams)
def events(ask: Ask) -> Json:
    types = ask.params.get("types", [])
    if "type" in ask.params:
        types = [ask.params["type"]]
    return ask.account.table("event").page(
        ask.params, url=ask.call.path, where=lambda row: not types or row["type"] in types
    )
