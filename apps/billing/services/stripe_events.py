"""What Stripe's events lead to: ask how the thing stands now, and bring the ledger in line.

Events come late, twice and in any order, so what they say is only a reason to look.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from apps.billing.models import BillingAccount
from apps.billing.services.cards import detach_card, store_card, update_card
from apps.billing.services.gateways import PROVIDER, payments_for
from apps.billing.services.settling import settle_intent
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.integrations.payments import Card, Intent
from apps.webhooks.handling import Fetch
from apps.webhooks.models import GatewayAccount, WebhookEvent

# Of https://docs.stripe.com/api/events/types what concerns us. A finished Checkout needs no
# line of its own: its payment_intent or setup_intent has events too.
CARD_GONE = "payment_method.detached"
CARD_CHANGED = ("payment_method.updated", "payment_method.automatically_updated")
CARD_STORED = ("setup_intent.succeeded", "payment_method.attached")
PAYMENT = ("payment_intent.", "charge.", "refund.")


@dataclass(frozen=True, slots=True)
class CardGone:
    """The reference of a card that was taken away from its customer."""

    reference: str


@dataclass(frozen=True, slots=True)
class CardStored:
    """A card that a customer has stored."""

    card: Card


@dataclass(frozen=True, slots=True)
class CardChanged:
    """A card as its network knows it now."""

    card: Card


class StripeEvents:
    """Acts on Stripe's events (see ``apps.webhooks.handling.Handler``)."""

    def prepare(self, events: Sequence[WebhookEvent]) -> Mapping[int, Fetch]:
        """Return how to ask about each event that concerns payments or cards."""
        accounts = {
            str(account.key): account
            for account in GatewayAccount.objects.filter(
                key__in={event.account_key for event in events}
            ).select_related("firm")
        }
        fetches = {}
        for event in events:
            account = accounts.get(event.account_key)
            look = _look(event)
            if look and account and account.firm_id:
                fetches[event.pk] = partial(_ask, account, look)
        return fetches

    def apply(self, event: WebhookEvent, fetched: Any, *, clock: Clock) -> bool:
        """Write what follows from what was fetched, in the caller's transaction."""
        firm = event.firm
        if firm is None:
            return False
        match fetched:
            case Intent():
                return settle_intent(fetched, firm=firm, clock=clock)
            case CardStored(card):
                account = BillingAccount.objects.filter(
                    firm=firm, gateway_customer=card.customer
                ).first()
                if account is None or not card.customer:
                    return False
                store_card(account=account, provider=PROVIDER, card=card, now=clock.now)
                return True
            case CardChanged(card):
                return update_card(firm=firm, provider=PROVIDER, card=card)
            case CardGone(reference):
                return detach_card(firm=firm, provider=PROVIDER, provider_ref=reference)
        return False


Look = Callable[[Any], Any]


def _look(event: WebhookEvent) -> Look | None:
    """Return what to ask the gateway because of an event, None when it concerns nobody."""
    try:
        about = json.loads(bytes(event.raw_body))["data"]["object"]
        if event.type == CARD_GONE:
            gone = CardGone(about["id"])
            return lambda payments: gone
        if event.type in CARD_CHANGED:
            return partial(_card, CardChanged, about["id"])
        if event.type in CARD_STORED:
            return partial(_card, CardStored, about.get("payment_method") or about["id"])
        if event.type.startswith(PAYMENT):
            is_intent = event.type.startswith("payment_intent.")
            intent = about["id"] if is_intent else about.get("payment_intent")
            return partial(_intent, intent) if intent else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Problem(f"A {event.type} event is not what Stripe documents.") from None
    return None


def _intent(reference: str, payments: Any) -> Intent:
    found: Intent = payments.intent(reference)
    return found


def _card(kind: type[CardStored] | type[CardChanged], reference: str, payments: Any) -> object:
    return kind(payments.card(reference))


def _ask(account: GatewayAccount, look: Look) -> Any:
    with closing(payments_for(account)) as payments:
        return look(payments)
