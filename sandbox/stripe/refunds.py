"""Money that goes back: refunds, and disputes that customers' banks open."""

from stripe.params._dispute_list_params import DisputeListParams
from stripe.params._dispute_retrieve_params import DisputeRetrieveParams
from stripe.params._refund_create_params import RefundCreateParams
from stripe.params._refund_list_params import RefundListParams
from stripe.params._refund_retrieve_params import RefundRetrieveParams

from sandbox.core import Json
from sandbox.stripe import shapes
from sandbox.stripe.api import Ask, endpoint
from sandbox.stripe.charging import Charging
from sandbox.stripe.errors import StripeError, invalid

__all__ = ["close_dispute", "open_dispute", "refund_charge"]

DISPUTE_CLOSED = frozenset({"won", "lost", "warning_closed"})


def refund_charge(
    charging: Charging,
    charge: Json,
    *,
    amount: int | None = None,
    status: str = "succeeded",
    **given: object,
) -> Json:
    """Give money of a charge back; all that is left of it, unless told how much."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} has not been captured.", param="charge")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(
            400, "invalid_request_error", message, code="charge_already_refunded", executed=True
        )
    amount = left if amount is None else amount
    if not 0 < amount <= left:
        message = (
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            if amount > 0
            else "Invalid positive integer"
        )
        raise invalid(message, param="amount")
    created = int(charging.core.now())
    refund = shapes.refund(charge, created=created, amount=amount, status=status, **given)
    charging.account.table("refund").add(refund)
    before = {name: charge[name] for name in ("amount_refunded", "refunded")}
    if status in {"succeeded", "pending"}:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    if status == "succeeded":
        intent = charging.account.table("payment_intent").rows[charge["payment_intent"]]
        charging.effect("refund", intent, amount)
    charging.notify("refund.created", refund)
    charging.notify("charge.refunded", charge, before)
    return refund


def open_dispute(
    charging: Charging, charge: Json, *, amount: int | None = None, reason: str = "fraudulent"
) -> Json:
    """Let the customer's bank take the money back for now."""
    dispute = shapes.dispute(
        charge,
        created=int(charging.core.now()),
        amount=charge["amount"] if amount is None else amount,
        reason=reason,
    )
    charging.account.table("dispute").add(dispute)
    charge["disputed"] = True
    intent = charging.account.table("payment_intent").rows[charge["payment_intent"]]
    charging.effect("dispute", intent, dispute["amount"])
    charging.notify("charge.dispute.created", dispute)
    charging.notify("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(charging: Charging, dispute: Json, *, status: str) -> Json:
    """End a dispute as ``won`` (the money comes back), ``lost`` or ``warning_closed``."""
    if status not in DISPUTE_CLOSED:
        raise ValueError(f"a dispute ends as one of {', '.join(sorted(DISPUTE_CLOSED))}")
    before = {"status": dispute["status"]}
    dispute["status"] = status
    if status == "won":
        intents = charging.account.table("payment_intent").rows
        charging.effect("dispute_won", intents[dispute["payment_intent"]], dispute["amount"])
        charging.notify("charge.dispute.funds_reinstated", dispute)
    charging.notify("charge.dispute.closed", dispute, before)
    return dispute


@endpoint("POST", "/refunds", "refund", RefundCreateParams)
def create(ask: Ask) -> Json:
    params = ask.params
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid(
            "One of the following params should be provided for this request: payment_intent "
            "or charge."
        )
    if "charge" in params:
        charge = ask.account.get("charge", params["charge"], param="charge")
    else:
        id = params["payment_intent"]
        intent = ask.account.get("payment_intent", id, param="payment_intent")
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({id}) does not have a successful charge to refund."
            raise invalid(message, param="payment_intent")
        charge = ask.account.get("charge", intent["latest_charge"])
    return refund_charge(
        Charging(ask.core, ask.account, ask.call),
        charge,
        amount=params.get("amount"),
        metadata=params.get("metadata") or {},
        reason=params.get("reason"),
    )


@endpoint("GET", "/refunds/<id>", "refund", RefundRetrieveParams)
def retrieve(ask: Ask, id: str) -> Json:
    return ask.account.get("refund", id, status=404)


@endpoint("GET", "/refunds", "refund", RefundListParams)
def listed(ask: Ask) -> Json:
    names = [name for name in ("charge", "payment_intent") if name in ask.params]
    return ask.page("refund", **{name: ask.params[name] for name in names})


@endpoint("GET", "/disputes/<id>", "dispute", DisputeRetrieveParams)
def retrieve_dispute(ask: Ask, id: str) -> Json:
    return ask.account.get("dispute", id, status=404)


@endpoint("GET", "/disputes", "dispute", DisputeListParams)
def listed_disputes(ask: Ask) -> Json:
    names = [name for name in ("charge", "payment_intent") if name in ask.params]
    return ask.page("dispute", **{name: ask.params[name] for name in names})
