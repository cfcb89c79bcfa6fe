"""Setup intents: storing a card without charging it."""

from stripe.params._setup_intent_cancel_params import SetupIntentCancelParams
from stripe.params._setup_intent_confirm_params import SetupIntentConfirmParams
from stripe.params._setup_intent_create_params import SetupIntentCreateParams
from stripe.params._setup_intent_list_params import SetupIntentListParams
from stripe.params._setup_intent_retrieve_params import SetupIntentRetrieveParams

from sandbox.core import Json
from sandbox.stripe import cards, shapes
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.charging import Charging
from sandbox.stripe.errors import StripeError, unexpected_state
from sandbox.stripe.methods import method_for

__all__ = ["store"]

KIND = "setup_intent"


def store(charging: Charging, setup: Json, method: Json) -> None:
    """Give the payment method to the setup's customer; raises the bank's refusal."""
    instrument = charging.account.instruments[method["id"]]
    if not instrument.attachable:
        decline = cards.decline(instrument.behaviour[0])
        error = StripeError(
            402,
            "card_error",
            decline.message,
            code=decline.code,
            decline_code=decline.decline_code,
            executed=True,
        )
        setup["last_setup_error"] = {**error.error, "payment_method": dict(method)}
        error.error["setup_intent"] = dict(setup)
        charging.notify("setup_intent.setup_failed", setup)
        raise error
    setup |= {
        "last_setup_error": None,
        "next_action": None,
        "payment_method": method["id"],
        "status": "succeeded",
    }
    if setup["customer"] and method["customer"] is None:
        method["customer"] = setup["customer"]
        charging.notify("payment_method.attached", method)
    charging.notify("setup_intent.succeeded", setup)


@endpoint("POST", "/setup_intents", KIND, SetupIntentCreateParams)
def create(ask: Ask) -> Json:
    params = ask.params
    if "customer" in params:
        ask.account.get("customer", params["customer"], param="customer")
    copied = ("customer", "description", "metadata", "usage")
    setup = shapes.setup_intent(
        created=ask.now,
        livemode=ask.account.livemode,
        **{name: params[name] for name in copied if name in params},
    )
    method = _method(ask, setup)
    ask.account.table(KIND).add(setup)
    charging = Charging(ask.core, ask.account, ask.call)
    charging.notify("setup_intent.created", setup)
    if method:
        setup |= {"payment_method": method["id"], "status": "requires_confirmation"}
        if params.get("confirm"):
            store(charging, setup, method)
    return setup


@endpoint("POST", "/setup_intents/<id>/confirm", KIND, SetupIntentConfirmParams)
def confirm(ask: Ask, id: str) -> Json:
    setup = ask.account.get(KIND, id, status=404)
    if setup["status"] in {"succeeded", "canceled"}:
        raise _wrong_state(setup, "confirm")
    method = _method(ask, setup)
    if method is None and setup["payment_method"]:
        method = ask.account.get("payment_method", setup["payment_method"])
    if method is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise unexpected_state(KIND, message, setup_intent=dict(setup))
    store(Charging(ask.core, ask.account, ask.call), setup, method)
    return setup


@endpoint("POST", "/setup_intents/<id>/cancel", KIND, SetupIntentCancelParams)
def cancel(ask: Ask, id: str) -> Json:
    setup = ask.account.get(KIND, id, status=404)
    if setup["status"] in {"succeeded", "canceled"}:
        raise _wrong_state(setup, "cancel")
    setup |= {
        "cancellation_reason": ask.params.get("cancellation_reason"),
        "status": "canceled",
    }
    Charging(ask.core, ask.account, ask.call).notify("setup_intent.canceled", setup)
    return setup


@endpoint("GET", "/setup_intents/<id>", KIND, SetupIntentRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    return ask.account.get(KIND, id, status=404)


@endpoint("GET", "/setup_intents", KIND, SetupIntentListParams)
def listed(ask: Ask) -> Json:
    names = [name for name in ("customer", "payment_method") if name in ask.params]
    return ask.page(KIND, **{name: ask.params[name] for name in names})


def _method(ask: Ask, setup: Json) -> Json | None:
    if "payment_method" not in ask.params:
        return None
    return method_for(ask, ask.params["payment_method"], customer=setup["customer"])


def _wrong_state(setup: Json, verb: str) -> StripeError:
    message = (
        f"You cannot {verb} this SetupIntent because it has a status of {setup['status']}."
    )
    return unexpected_state(KIND, message, setup_intent=dict(setup))
