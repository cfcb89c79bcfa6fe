"""What happened before anybody looked: payments of the past, and the world file.

Stripe's part of the world file::

    {"stripe": {"accounts": [{
        "secret_key": "sk_test_…", "webhook_secret": "whsec_…",
        "id": "acct_…", "name": "…", "livemode": false,     # all optional, as is the rest
        "webhook_url": "/webhooks/stripe/<uuid>/",          # a path is completed by --app
        "customers": [{"id": "cus_…", "name": "…", "email": "…", "cards": [
            {"id": "pm_…", "behaviour": "succeeds", "brand": "visa", "last4": "4242"}]}],
        "intents": [{"id": "pi_…", "customer": "cus_…", "card": "pm_…", "amount": 80000,
                     "currency": "usd", "metadata": {"invoice": "…"}, "days_ago": 3,
                     "status": "succeeded",          # or processing, or a decline code
                     "refunds": [{"id": "re_…", "amount": 5000, "days_ago": 1}],
                     "dispute": {"reason": "fraudulent", "days_ago": 1}}]
    }]}}

``days_ago`` and ``hours_ago`` count back from the world's day. What is in the world has
happened long ago: it makes no events and no effects.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.core import Core, Json
from sandbox.stripe import shapes
from sandbox.stripe.charging import Charging
from sandbox.stripe.errors import StripeError
from sandbox.stripe.refunds import open_dispute, refund_charge
from sandbox.stripe.state import Account

if TYPE_CHECKING:
    from sandbox.stripe.vendor import Stripe

__all__ = ["add_past_intent", "load_account"]


def add_past_intent(
    core: Core,
    account: Account,
    *,
    facts: Json,
    card: str,
    status: str,
    at: float,
    refunds: list[Json],
    dispute: Json | None,
) -> str:
    """Add a payment that was made at an instant, and what became of it; returns its id."""
    then = _Quiet(core, account, at=at)
    intent = shapes.payment_intent(created=int(at), livemode=account.livemode, **facts)
    account.table("payment_intent").add(intent)
    behaviour = "succeeds" if status == "succeeded" else status
    with suppress(StripeError):  # it may be the story of a decline
        method = account.get("payment_method", card)
        then.confirm(intent, method, behaviour=behaviour, off_session=True)
    charge = account.get("charge", intent["latest_charge"])
    for told in refunds:
        later = _Quiet(core, account, at=told.get("at", at))
        refund_charge(later, charge, amount=told.get("amount"), id=told.get("id", ""))
    if dispute is not None:
        later = _Quiet(core, account, at=dispute.get("at", at))
        open_dispute(later, charge, reason=dispute.get("reason", "fraudulent"))
    id: str = intent["id"]
    return id


def load_account(stripe: "Stripe", told: Json, *, now: datetime) -> None:
    """Open an account of the world file, with all that is in it."""
    own = ("secret_key", "webhook_secret", "livemode", "id", "name", "webhook_url")
    stripe.add_account(**{name: told[name] for name in own if name in told})
    for person in told.get("customers", ()):
        facts = {name: value for name, value in person.items() if name != "cards"}
        customer = stripe.add_customer(account=told["secret_key"], **facts)
        for card in person.get("cards", ()):
            stripe.add_card(customer, **card)
    for payment in told.get("intents", ()):
        facts = _dated(payment, now)
        facts["refunds"] = [_dated(each, now) for each in payment.get("refunds", ())]
        if "dispute" in payment:
            facts["dispute"] = _dated(payment["dispute"], now)
        stripe.add_intent(**facts)


class _Quiet(Charging):
    """Charging in the past: nobody is told, and nothing is an effect."""

    def __init__(self, core: Core, account: Account, *, at: float) -> None:
        super().__init__(_Past(core, at), account)

    def effect(self, kind: str, intent: Json, amount: int) -> None:
        """Nothing moves now."""

    def notify(self, type: str, row: Json, before: Mapping[str, Any] | None = None) -> None:
        """Nobody is told."""


class _Past(Core):
    """The core, at another time."""

    def __init__(self, core: Core, at: float) -> None:
        self.__dict__.update(vars(core))
        self._at = at

    def now(self) -> float:
        return self._at


def _dated(told: Json, now: datetime) -> Json:
    """Return the facts with ``days_ago`` and ``hours_ago`` turned into an instant."""
    facts = {
        name: value for name, value in told.items() if name not in {"days_ago", "hours_ago"}
    }
    ago = timedelta(days=told.get("days_ago", 0), hours=told.get("hours_ago", 0))
    return {**facts, "at": (now - ago).timestamp()}
