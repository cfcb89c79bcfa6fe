"""Stripe, through its own library: with ``answers`` all that knows what Stripe calls things.

https://docs.stripe.com/api, in the version that the installed library is pinned to.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
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
from apps.integrations.payments.answers import (
    read_card,
    read_decline,
    read_dispute,
    read_intent,
    read_refund,
    read_text,
    read_word,
    seconds_of,
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
            intent = read_intent(made)
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
            return read_text(self._api.customers.create(params, {"idempotency_key": key}).id)

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
            return read_text(made.url)

    # ---- reading: again, if it fails ------------------------------------------------------

    def intent(self, intent_id: str) -> Intent:
        found = self._read(
            lambda: read_intent(
                self._api.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})
            )
        )
        if not found.disputed:
            return found
        params: DisputeListParams = {"payment_intent": intent_id, "limit": PAGE}
        disputes = self._every(self._api.disputes.list, params, read_dispute)
        return replace(found, disputes=tuple(disputes))

    def intents(self, *, since: datetime, customer: str = "") -> Iterator[Intent]:
        params: PaymentIntentListParams = {
            "created": {"gte": seconds_of(since)},
            "limit": PAGE,
            "expand": ["data.latest_charge"],
        }
        if customer:
            params["customer"] = customer
        return self._every(self._api.payment_intents.list, params, read_intent)

    def refunds(self, *, since: datetime) -> Iterator[Refund]:
        params: RefundListParams = {"created": {"gte": seconds_of(since)}, "limit": PAGE}
        return self._every(self._api.refunds.list, params, read_refund)

    def disputes(self, *, since: datetime) -> Iterator[Dispute]:
        params: DisputeListParams = {"created": {"gte": seconds_of(since)}, "limit": PAGE}
        return self._every(self._api.disputes.list, params, read_dispute)

    def card(self, payment_method: str) -> Card:
        return self._read(lambda: read_card(self._api.payment_methods.retrieve(payment_method)))

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
            return found, read_text(answer.data[-1].id) if answer.has_more else ""

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
    return read_word(error.code or (told and (told.code or told.type)))


def _declined(error: stripe.CardError) -> Intent:
    """Return the intent whose payment a bank declined: Stripe tells it in the error."""
    told = error.error
    if told is None or told.payment_intent is None:
        raise error
    return replace(read_intent(told.payment_intent), decline=read_decline(told))
