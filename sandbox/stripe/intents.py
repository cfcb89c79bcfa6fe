"""Payment intents and their charges."""

from stripe.params._charge_list_params import ChargeListParams
from stripe.params._charge_retrieve_params import ChargeRetrieveParams
from stripe.params._payment_intent_cancel_params import PaymentIntentCancelParams
from stripe.params._payment_intent_confirm_params import PaymentIntentConfirmParams
from stripe.params._payment_intent_create_params import PaymentIntentCreateParams
from stripe.params._payment_intent_list_params import PaymentIntentListParams
from stripe.params._payment_intent_retrieve_params import PaymentIntentRetrieveParams

from sandbox.core import Json
from sandbox.stripe import shapes
from sandbox.stripe.amounts import check_amount, check_currency
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.charging import Charging
from sandbox.stripe.errors import invalid, unexpected_state
from sandbox.stripe.methods import method_for

__all__: list[str] = []

KIND = "payment_intent"
COPIED = (
    "description",
    "metadata",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
)
# Types with a page of their own need an address to come back to.
WITHOUT_REDIRECT = frozenset(
    {"acss_debit", "au_becs_debit", "bacs_debit", "card", "sepa_debit", "us_bank_account"}
)


@endpoint("POST", "/payment_intents", KIND, PaymentIntentCreateParams)
def create(ask: Ask) -> Json:
    params = ask.params
    currency = check_currency(params["currency"])
    amount = check_amount(params["amount"], currency)
    types = params.get("allowed_payment_method_types")
    confirming = params.get("confirm", False)
    for name in ("off_session", "error_on_requires_action", "mandate", "return_url"):
        if name in params and not confirming:
            message = f"The parameter {name} can only be passed when confirm is set to true."
            raise invalid(message, param=name)
    if "customer" in params:
        ask.account.get("customer", params["customer"], param="customer")
    intent = shapes.payment_intent(
        created=ask.now,
        livemode=ask.account.livemode,
        amount=amount,
        currency=currency,
        customer=params.get("customer"),
        **{name: params[name] for name in COPIED if name in params},
    )
    if types:
        intent["payment_method_types"] = types
    redirects = params.get("automatic_payment_methods", {}).get("allow_redirects", "always")
    intent["automatic_payment_methods"]["allow_redirects"] = redirects
    method = _method(ask, intent)
    if confirming:
        _check_confirmable(ask, intent, method)
    ask.account.table(KIND).add(intent)
    charging = Charging(ask.core, ask.account, ask.call)
    charging.notify("payment_intent.created", intent)
    if method:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    if method and confirming:
        _confirm(ask, charging, intent, method)
    return intent


@endpoint("POST", "/payment_intents/<id>/confirm", KIND, PaymentIntentConfirmParams)
def confirm(ask: Ask, id: str) -> Json:
    intent = ask.account.get(KIND, id, param="intent", status=404)
    if intent["status"] not in {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
    }:
        raise _wrong_state(intent, "confirm")
    method = _method(ask, intent)
    if method is None and intent["payment_method"]:
        method = ask.account.get("payment_method", intent["payment_method"])
    _check_confirmable(ask, intent, method)
    assert method
    _confirm(ask, Charging(ask.core, ask.account, ask.call), intent, method)
    return intent


@endpoint("GET", "/payment_intents/<id>", KIND, PaymentIntentRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    return ask.account.get(KIND, id, param="intent", status=404)


@endpoint("GET", "/payment_intents", KIND, PaymentIntentListParams)
def listed(ask: Ask) -> Json:
    if "customer" in ask.params:
        return ask.page(KIND, customer=ask.params["customer"])
    return ask.page(KIND)


@endpoint("POST", "/payment_intents/<id>/cancel", KIND, PaymentIntentCancelParams)
def cancel(ask: Ask, id: str) -> Json:
    intent = ask.account.get(KIND, id, param="intent", status=404)
    if intent["status"] in {"succeeded", "canceled", "processing"}:
        raise _wrong_state(intent, "cancel")
    intent |= {
        "status": "canceled",
        "canceled_at": ask.now,
        "cancellation_reason": ask.params.get("cancellation_reason"),
        "next_action": None,
    }
    Charging(ask.core, ask.account, ask.call).notify("payment_intent.canceled", intent)
    return intent


@endpoint("GET", "/charges/<id>", "charge", ChargeRetrieveParams)
def charge(ask: Ask, id: str) -> Json:
    return ask.account.get("charge", id, status=404)


@endpoint("GET", "/charges", "charge", ChargeListParams)
def charges(ask: Ask) -> Json:
    names = [name for name in ("customer", "payment_intent") if name in ask.params]
    return ask.page("charge", **{name: ask.params[name] for name in names})


def _method(ask: Ask, intent: Json) -> Json | None:
    """Return the payment method that was given, if it may be used for this intent."""
    if "payment_method" not in ask.params:
        return None
    method = method_for(ask, ask.params["payment_method"], customer=intent["customer"])
    if method["type"] not in intent["payment_method_types"]:
        allowed = ", ".join(intent["payment_method_types"])
        message = (
            f"The PaymentMethod provided ({method['type']}) is not allowed for this "
            f"PaymentIntent. Please attach a PaymentMethod of one of the following types: "
            f"{allowed}."
        )
        raise invalid(message, param="payment_method")
    return method


def _check_confirmable(ask: Ask, intent: Json, method: Json | None) -> None:
    redirects = intent["automatic_payment_methods"]["allow_redirects"] == "always"
    listed = ask.params.get("allowed_payment_method_types") or ()
    safe = bool(listed) and WITHOUT_REDIRECT.issuperset(listed)
    if redirects and not safe and "return_url" not in ask.params:
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your "
            "Dashboard. Because some of these payment methods might redirect your customer "
            "off of your page, you must provide a `return_url`. If you don't want to accept "
            "redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating "
            "Setup Intents and Payment Intents.",
            param="return_url",
        )
    if method is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise unexpected_state(KIND, message)
    if ask.params.get("off_session") and intent["customer"] and method["customer"] is None:
        message = (
            "The provided PaymentMethod cannot be used off-session, because it is not attached "
            "to the customer."
        )
        raise invalid(message, param="payment_method")


def _confirm(ask: Ask, charging: Charging, intent: Json, method: Json) -> None:
    charging.confirm(
        intent,
        method,
        off_session=bool(ask.params.get("off_session")),
        error_on_requires_action=ask.params.get("error_on_requires_action", False),
        told=ask.call.told("decline"),
    )


def _wrong_state(intent: Json, verb: str) -> Exception:
    message = (
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
    )
    return unexpected_state(KIND, message, payment_intent=dict(intent))
