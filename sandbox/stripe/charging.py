"""Charging a payment method: the one place where money moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.core import Core, Json
from sandbox.log import Call
from sandbox.stripe import cards, shapes
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import notify
from sandbox.stripe.state import Account, Settlement

__all__ = ["Charging"]


@dataclass(frozen=True)
class Charging:
    """What may happen to a payment intent's money, in one account, under the lock."""

    core: Core
    account: Account
    call: Call | None = None

    def confirm(
        self,
        intent: Json,
        method: Json,
        *,
        off_session: bool = False,
        error_on_requires_action: bool = False,
        told: Mapping[str, Any] | None = None,
        behaviour: str = "",
    ) -> None:
        """Charge a payment method for an intent; raises the decline as Stripe answers it.

        ``told`` declines whatever the card would do; ``behaviour`` overrules the card.
        """
        instrument = self.account.instruments[method["id"]]
        behaviour = behaviour or instrument.next()
        advice = None
        if told is not None:
            behaviour, advice = told.get("code", "generic_decline"), told.get("advice")
        if method["customer"] is None:
            instrument.used = True
        if behaviour == "authentication_required" and not (
            off_session or error_on_requires_action
        ):
            self._ask(intent, method)
        elif behaviour == "succeeds":
            self.succeed(intent, self._charge(intent, method))
        elif behaviour == "processing":
            self._wait(intent, method, instrument)
        else:
            decline = cards.decline(behaviour, advice=advice)
            raise self.fail(intent, self._charge(intent, method), decline)

    def succeed(self, intent: Json, charge: Json) -> None:
        """The money moves."""
        charge |= {
            "amount_captured": charge["amount"],
            "captured": True,
            "paid": True,
            "status": "succeeded",
            "outcome": {
                "advice_code": None,
                "network_advice_code": None,
                "network_decline_code": None,
                "network_status": "approved_by_network",
                "reason": None,
                "risk_level": "normal",
                "seller_message": "Payment complete.",
                "type": "authorized",
            },
        }
        intent |= {
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "next_action": None,
            "payment_method": charge["payment_method"],
            "processing": None,
            "status": "succeeded",
        }
        self.effect("charge", intent, intent["amount"])
        self.notify("charge.succeeded", charge)
        self.notify("payment_intent.succeeded", intent)

    def fail(self, intent: Json, charge: Json, decline: cards.Decline) -> StripeError:
        """Nobody's money moves; returns the error that says so."""
        charge |= {
            "failure_code": decline.code,
            "failure_message": decline.message,
            "status": "failed",
            "outcome": {
                "advice_code": decline.advice or None,
                "network_advice_code": None,
                "network_decline_code": None,
                "network_status": "declined_by_network",
                "reason": decline.decline_code,
                "risk_level": "normal",
                "seller_message": "The bank did not return any further details.",
                "type": "issuer_declined",
            },
        }
        method = self.account.table("payment_method").rows[charge["payment_method"]]
        extra: Json = {"charge": charge["id"], "decline_code": decline.decline_code}
        if decline.advice:
            extra["advice_code"] = decline.advice
        error = StripeError(
            402, "card_error", decline.message, code=decline.code, executed=True, **extra
        )
        intent |= {
            "last_payment_error": {**error.error, "payment_method": dict(method)},
            "next_action": None,
            "payment_method": None,
            "processing": None,
            "status": "requires_payment_method",
        }
        error.error |= {"payment_intent": dict(intent), "payment_method": dict(method)}
        self.notify("charge.failed", charge)
        self.notify("payment_intent.payment_failed", intent)
        return error

    def settle(self, intent: Json, outcome: str) -> None:
        """Let a bank debit arrive, or come back with a decline code."""
        self.account.settlements.pop(intent["id"])
        charge = self.account.table("charge").rows[intent["latest_charge"]]
        if outcome == "succeeds":
            self.succeed(intent, charge)
        else:
            self.fail(intent, charge, cards.decline(outcome))

    def effect(self, kind: str, intent: Json, amount: int) -> None:
        """Write down that money moved."""
        self.core.log.effect(
            at=self.core.now(),
            vendor="stripe",
            account=self.account.id,
            kind=kind,
            id=intent["id"],
            amount=amount,
            currency=intent["currency"],
            metadata=intent["metadata"],
            call=self.call,
        )

    def notify(self, type: str, row: Json, before: Mapping[str, Any] | None = None) -> None:
        """Make an event of it."""
        notify(self.core, self.account, type, row, call=self.call, before=before)

    def _charge(self, intent: Json, method: Json) -> Json:
        charge = shapes.charge(intent, method, created=int(self.core.now()))
        intent["latest_charge"] = charge["id"]
        return self.account.table("charge").add(charge)

    def _ask(self, intent: Json, method: Json) -> None:
        intent |= {
            "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}},
            "payment_method": method["id"],
            "status": "requires_action",
        }
        self.notify("payment_intent.requires_action", intent)

    def _wait(self, intent: Json, method: Json, instrument: cards.Instrument) -> None:
        charge = self._charge(intent, method)
        intent |= {"payment_method": method["id"], "status": "processing"}
        after = instrument.settles_after
        due = None if after is None else self.core.now() + after
        self.account.settlements[intent["id"]] = Settlement(due, instrument.settles_as)
        self.notify("charge.pending", charge)
        self.notify("payment_intent.processing", intent)
