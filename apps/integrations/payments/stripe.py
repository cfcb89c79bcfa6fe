"""Stripe, through its own library: the only module that knows what Stripe calls things.

https://docs.stripe.com/api, in the version that the installed library is pinned to.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

import stripe
from django.conf import settings

from apps.integrations.payments import (
    BadCredentials,
    Card,
    CardSetup,
    Charge,
    Checkout,
    Decline,
    Dispute,
    GatewayError,
    Intent,
    IntentStatus,
    OtherParameters,
    Refund,
    Refused,
    Unreachable,
)
from apps.integrations.payments.wire import Wire

if TYPE_CHECKING:
    from stripe.params import (
        CustomerCreateParams,
        DisputeListParams,
        PaymentIntentCreateParams,
        PaymentIntentListParams,
        RefundListParams,
    )
    from stripe.params.checkout import SessionCreateParams

T = TypeVar("T")

PAGE = 100  # Stripe's most
PAUSES = (0.25, 1.0)  # seconds before a read is repeated; a write never is

stripe.enable_telemetry = False  # it would report our latencies and our machine
# At INFO the library logs addresses and Stripe's messages, which may name a customer or
# repeat most of a key.
logging.getLogger("stripe").setLevel(logging.WARNING)


class StripePayments:
    """One firm's account at Stripe. Threads may share it."""

    def __init__(self, secret_key: str, *, pauses: Sequence[float] = PAUSES) -> None:
        self._wire = Wire(
            timeout=settings.GATEWAY_TIMEOUT, connections=settings.CHARGES_AT_ONCE
        )
        self._pauses = pauses
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": settings.STRIPE_API},
            http_client=self._wire,
            max_network_retries=0,
        ).v1

    def __repr__(self) -> str:
        return "<Stripe>"

    def close(self) -> None:
        self._wire.close()

    # ---- writing: once, with a key --------------------------------------------------------

    def charge(self, charge: Charge) -> Intent:
        # ``error_on_requires_action`` is not sent: Stripe refuses it together with payment
        # methods that are managed in its dashboard, and off-session a bank's wish for
        # authentication is a decline anyway.
        params: PaymentIntentCreateParams = {
            "amount": charge.amount,
            "currency": charge.currency.lower(),
            "customer": charge.customer,
            "payment_method": charge.payment_method,
            "confirm": True,
            "off_session": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": dict(charge.metadata),
            "expand": ["latest_charge"],
        }
        if charge.description:
            params["description"] = charge.description
        with _translated():
            try:
                made = self._api.payment_intents.create(
                    params, {"idempotency_key": charge.idempotency_key}
                )
            except stripe.CardError as error:
                return _declined(error)
            intent = _intent(made)
        if intent.status == IntentStatus.REQUIRES_ACTION and intent.decline is None:
            return replace(intent, decline=Decline("authentication_required"))
        return intent

    def add_customer(
        self, *, name: str, email: str, key: str, metadata: Mapping[str, str]
    ) -> str:
        params: CustomerCreateParams = {"name": name, "metadata": dict(metadata)}
        if email:
            params["email"] = email
        with _translated():
            return _text(self._api.customers.create(params, {"idempotency_key": key}).id)

    def delete_customer(self, customer: str) -> None:
        try:
            with _translated():
                self._api.customers.delete(customer)
        except Refused as error:
            if error.code != "resource_missing":
                raise

    def checkout(self, checkout: Checkout) -> str:
        metadata = dict(checkout.metadata)
        params: SessionCreateParams = {
            "mode": "payment",
            "customer": checkout.customer,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": checkout.currency.lower(),
                        "unit_amount": checkout.amount,
                        "product_data": {"name": checkout.label},
                    },
                }
            ],
            # An invoice is paid in its own currency, whatever the payer's is.
            "adaptive_pricing": {"enabled": False},
            "payment_intent_data": {"description": checkout.label, "metadata": metadata},
            "metadata": metadata,
            "success_url": checkout.success_url,
            "cancel_url": checkout.cancel_url,
        }
        return self._page(params, key=checkout.idempotency_key)

    def set_up_card(self, setup: CardSetup) -> str:
        metadata = dict(setup.metadata)
        params: SessionCreateParams = {
            "mode": "setup",
            "customer": setup.customer,
            "currency": setup.currency.lower(),
            "setup_intent_data": {"metadata": metadata},
            "metadata": metadata,
            "success_url": setup.success_url,
            "cancel_url": setup.cancel_url,
        }
        return self._page(params, key=setup.idempotency_key)

    def _page(self, params: "SessionCreateParams", *, key: str) -> str:
        with _translated():
            made = self._api.checkout.sessions.create(params, {"idempotency_key": key})
            return _text(made.url)

    # ---- reading: again, if it fails ------------------------------------------------------

    def intent(self, intent_id: str) -> Intent:
        found = self._read(
            lambda: _intent(
                self._api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
            )
        )
        if not found.disputed:
            return found
        params: DisputeListParams = {"payment_intent": intent_id, "limit": PAGE}
        disputes = self._every(self._api.disputes.list, params, _dispute)
        return replace(found, disputes=tuple(disputes))

    def intents(self, *, since: datetime, customer: str = "") -> Iterator[Intent]:
        params: PaymentIntentListParams = {
            "created": {"gte": _seconds(since)},
            "limit": PAGE,
            "expand": ["data.latest_charge"],
        }
        if customer:
            params["customer"] = customer
        return self._every(self._api.payment_intents.list, params, _intent)

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        params: RefundListParams = {"created": {"gte": _seconds(since)}, "limit": PAGE}
        return self._every(self._api.refunds.list, params, _refund)

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        params: DisputeListParams = {"created": {"gte": _seconds(since)}, "limit": PAGE}
        return self._every(self._api.disputes.list, params, _dispute)

    def card(self, payment_method: str) -> Card:
        return self._read(lambda: _card(self._api.payment_methods.retrieve(payment_method)))

    def check(self) -> None:
        self._read(lambda: self._api.payment_intents.list({"limit": 1}))

    def _read(self, ask: Callable[[], T]) -> T:
        for pause in self._pauses:
            try:
                with _translated():
                    return ask()
            except Unreachable:
                sleep(pause)
        with _translated():
            return ask()

    def _every(
        self, fetch: Callable[[Any], Any], params: Mapping[str, Any], read: Callable[[Any], T]
    ) -> Iterator[T]:
        """Yield what all pages hold, reading each page when its turn comes."""

        def page(params: Mapping[str, Any]) -> tuple[list[T], str]:
            answer = fetch(params)
            found = [read(one) for one in answer.data]
            return found, _text(answer.data[-1].id) if answer.has_more else ""

        after = ""
        while True:
            found, last = self._read(partial(page, params))
            yield from found
            if not last:
                return
            if last == after:
                raise Unreachable("Stripe's list does not end.")
            after = last
            params = {**params, "starting_after": after}


# ---- what went wrong ----------------------------------------------------------------------


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into ours, without what they carry: bodies, headers, texts."""
    try:
        yield
    except stripe.StripeError as error:
        raise _error(error) from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise Unreachable("Stripe gave an answer that cannot be read.") from None


def _error(error: stripe.StripeError) -> GatewayError:
    """Return our error for one of the library's.

    What nobody has documented counts as unreachable: whether money moved is not known then.
    """
    details = _details(error)
    if isinstance(error, stripe.APIConnectionError):
        return Unreachable(f"Stripe could not be reached{details}.")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return BadCredentials(f"Stripe does not accept the secret key{details}.")
    if isinstance(error, stripe.IdempotencyError):
        return OtherParameters(
            f"Stripe knows this idempotency key with other parameters{details}.",
            code="idempotency_error",
        )
    if isinstance(error, stripe.InvalidRequestError | stripe.CardError):
        return Refused(f"Stripe refused the request{details}.", code=_code(error))
    if isinstance(error, stripe.RateLimitError):
        return Unreachable(f"Stripe asks for fewer requests{details}.")
    return Unreachable(f"Stripe gave no usable answer{details}.")


def _details(error: stripe.StripeError) -> str:
    """Return what may be shown of an error: kind, status, code and Stripe's name for it."""
    kind = str(error.user_message) if isinstance(error, stripe.APIConnectionError) else ""
    status = str(error.http_status or "")
    request = re.fullmatch(r"req_\w{1,60}", error.request_id or "", re.ASCII)
    parts = [kind, status, _code(error), request.group() if request else ""]
    told = ", ".join(part for part in parts if part)
    return f" ({told})" if told else ""


def _code(error: stripe.StripeError) -> str:
    """Return Stripe's code for an error, if it is one: a word, never a sentence."""
    told = error.error
    return _word(error.code or (told and (told.code or told.type)))


def _declined(error: stripe.CardError) -> Intent:
    """Return the intent whose payment a bank declined: Stripe tells it in the error."""
    told = error.error
    if told is None or told.payment_intent is None:
        raise error
    return replace(_intent(told.payment_intent), decline=_decline(told))


def _decline(told: Any) -> Decline:
    code = getattr(told, "decline_code", None) or getattr(told, "code", None)
    advice = getattr(told, "advice_code", None)
    return Decline(code=_word(code) or "generic_decline", advice=_word(advice))


def _word(told: Any) -> str:
    """Return one of Stripe's words for what happened; anything else, like a key, is none."""
    return told if isinstance(told, str) and re.fullmatch(r"[a-z_]{1,60}", told) else ""


# ---- what Stripe knows, as we say it ------------------------------------------------------
#
# Whatever is missing or of another kind raises: an answer that is half understood is none.

_STILL_POSSIBLE = {IntentStatus.SUCCEEDED, IntentStatus.PROCESSING}


def _intent(told: Any) -> Intent:
    status = IntentStatus(told.status)
    charge = told.latest_charge
    expanded = None if charge is None or isinstance(charge, str) else charge
    error = told.last_payment_error
    return Intent(
        id=_text(told.id),
        status=status,
        amount=_whole(told.amount),
        received=_whole(told.amount_received),
        currency=_text(told.currency).upper(),
        created_at=_instant(told.created),
        livemode=bool(told.livemode),
        customer=_id(told.customer),
        payment_method=_id(told.payment_method),
        method_type=_method_type(told, expanded),
        metadata=told.metadata.to_dict() if told.metadata else {},
        decline=_decline(error) if error and status not in _STILL_POSSIBLE else None,
        refunded=_whole(expanded.amount_refunded) if expanded else 0,
        disputed=bool(expanded.disputed) if expanded else False,
    )


def _method_type(told: Any, charge: Any) -> str:
    """Return how it is paid: what the charge says, else what the intent allows first."""
    details = charge.payment_method_details if charge else None
    types = told.payment_method_types
    return _text(details.type if details else types[0])


def _refund(told: Any) -> Refund:
    return Refund(
        id=_text(told.id),
        intent_id=_id(told.payment_intent),
        amount=_whole(told.amount),
        currency=_text(told.currency).upper(),
        status=_text(told.status),
        created_at=_instant(told.created),
    )


def _dispute(told: Any) -> Dispute:
    return Dispute(
        id=_text(told.id),
        intent_id=_id(told.payment_intent),
        amount=_whole(told.amount),
        currency=_text(told.currency).upper(),
        status=_text(told.status),
        created_at=_instant(told.created),
    )


def _card(told: Any) -> Card:
    """Return what may be shown of a card, or of a bank account that stands in for one."""
    details = getattr(told, told.type)
    card = told.type == "card"
    name = details.brand if card else (getattr(details, "bank_name", None) or told.type)
    return Card(
        id=_text(told.id),
        customer=_id(told.customer),
        brand=_text(name).replace("_", " "),
        last4=getattr(details, "last4", None) or "",
        exp_month=_whole(details.exp_month) if card else None,
        exp_year=_whole(details.exp_year) if card else None,
    )


def _id(told: Any) -> str:
    """Return the id of something that may be missing, an id, or the thing itself."""
    if told is None:
        return ""
    return told if isinstance(told, str) else _text(told.id)


def _text(told: Any) -> str:
    if not isinstance(told, str) or not told:
        raise TypeError
    return told


def _whole(told: Any) -> int:
    if not isinstance(told, int) or isinstance(told, bool):
        raise TypeError
    return told


def _instant(told: Any) -> datetime:
    return datetime.fromtimestamp(_whole(told), UTC)


def _seconds(instant: datetime) -> int:
    return int(instant.timestamp())
