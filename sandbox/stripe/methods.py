"""Payment methods: cards and bank accounts, and whose they are."""

from stripe.params._customer_payment_method_list_params import CustomerPaymentMethodListParams
from stripe.params._customer_payment_method_retrieve_params import (
    CustomerPaymentMethodRetrieveParams,
)
from stripe.params._payment_method_attach_params import PaymentMethodAttachParams
from stripe.params._payment_method_detach_params import PaymentMethodDetachParams
from stripe.params._payment_method_list_params import PaymentMethodListParams
from stripe.params._payment_method_retrieve_params import PaymentMethodRetrieveParams

from sandbox.core import Json
from sandbox.stripe import cards, shapes
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.errors import StripeError, invalid
from sandbox.stripe.events import notify
from sandbox.stripe.state import Account

__all__ = ["attach", "from_token", "method_for"]

KIND = "payment_method"
NAME = "PaymentMethod"
GONE = (
    "This PaymentMethod was previously used without being attached to a Customer or was "
    "detached from a Customer, and may not be used again."
)


def from_token(account: Account, token: str, *, now: int) -> Json:
    """Return a new payment method of one of Stripe's test tokens."""
    card = cards.TOKENS[token]
    row = shapes.payment_method(
        created=now,
        livemode=account.livemode,
        type=card.type,
        brand=card.brand,
        last4=card.last4,
    )
    account.instruments[row["id"]] = cards.Instrument(
        behaviour=[card.behaviour], attachable=card.attachable, settles_as=card.settles_as
    )
    return account.table(KIND).add(row)


def method_for(ask: Ask, id: str, *, customer: str | None) -> Json:
    """Return the payment method if a payment of this customer may use it."""
    account = ask.account
    if id in cards.TOKENS and not account.livemode:
        return from_token(account, id, now=ask.now)
    method = account.get(KIND, id, param=KIND)
    if account.instruments[id].used:
        raise invalid(GONE, param=KIND)
    owner = method["customer"]
    if owner and customer is None:
        message = (
            f"The provided PaymentMethod ({id}) belongs to a Customer. Please include the "
            "Customer in the `customer` parameter on the PaymentIntent."
        )
        raise invalid(message, param=KIND)
    if owner and owner != customer:
        message = (
            f"The provided PaymentMethod ({id}) does not belong to the Customer you supplied "
            f"({customer})."
        )
        raise invalid(message, param=KIND)
    return method


def attach(ask: Ask, method: Json, customer: str) -> None:
    """Give a payment method to a customer."""
    instrument = ask.account.instruments[method["id"]]
    if instrument.used:
        raise invalid(GONE, param=KIND)
    if method["customer"] not in {None, customer}:
        raise invalid(
            "The payment method you provided has already been attached to a customer."
        )
    if not instrument.attachable:
        decline = cards.decline(instrument.behaviour[0])
        raise StripeError(
            402,
            "card_error",
            decline.message,
            code=decline.code,
            decline_code=decline.decline_code,
            executed=True,
        )
    if method["customer"] is None:
        method["customer"] = customer
        notify(ask.core, ask.account, "payment_method.attached", method, call=ask.call)


@endpoint("GET", "/payment_methods/<id>", KIND, PaymentMethodRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    return ask.account.get(KIND, id, param=KIND, status=404)


@endpoint("GET", "/payment_methods", KIND, PaymentMethodListParams)
def listed(ask: Ask) -> Json:
    return _page(ask, ask.params.get("customer"))


@endpoint("GET", "/customers/<id>/payment_methods", KIND, CustomerPaymentMethodListParams)
def of_customer(ask: Ask, id: str) -> Json:
    ask.account.get("customer", id, param="customer", status=404)
    return _page(ask, id)


@endpoint(
    "GET",
    "/customers/<id>/payment_methods/<method>",
    KIND,
    CustomerPaymentMethodRetrieveParams,
)
def one_of_customer(ask: Ask, id: str, method: str) -> Json:
    ask.account.get("customer", id, param="customer", status=404)
    row = ask.account.get(KIND, method, param=KIND, status=404)
    if row["customer"] != id:
        message = f"No such {NAME}: '{method}'"
        raise StripeError(404, "invalid_request_error", message, code="resource_missing")
    return row


@endpoint("POST", "/payment_methods/<id>/attach", KIND, PaymentMethodAttachParams)
def attached(ask: Ask, id: str) -> Json:
    if "customer" not in ask.params:
        raise invalid("Missing required param: customer.", param="customer")
    customer = ask.account.get("customer", ask.params["customer"], param="customer")
    if id in cards.TOKENS and not ask.account.livemode:
        method = from_token(ask.account, id, now=ask.now)
    else:
        method = ask.account.get(KIND, id, param=KIND, status=404)
    attach(ask, method, customer["id"])
    return method


@endpoint("POST", "/payment_methods/<id>/detach", KIND, PaymentMethodDetachParams)
def detached(ask: Ask, id: str) -> Json:
    method = ask.account.get(KIND, id, param=KIND, status=404)
    if method["customer"] is None:
        message = (
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
        raise invalid(message)
    owner, method["customer"] = method["customer"], None
    ask.account.instruments[id].used = True
    before = {"customer": owner}
    notify(
        ask.core, ask.account, "payment_method.detached", method, call=ask.call, before=before
    )
    return method


def _page(ask: Ask, customer: str | None) -> Json:
    equal = {"customer": customer} if customer else {}
    if "type" in ask.params:
        equal["type"] = ask.params["type"]
    return ask.page(KIND, **equal)
