"""Accounts at the sandbox's Stripe and bank, and an inbox with a past (spec E3.1)."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from apps.core.demo import World
from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookFingerprint

PLATFORM = "platform"
_FINISHED = {WebhookEvent.Status.PROCESSED, WebhookEvent.Status.IGNORED}


def account_key(of: str, provider: str) -> UUID:
    """Return the key of a demo account: its webhook has the same address every time."""
    return uuid5(NAMESPACE_URL, f"https://nightshift.example/demo/{of}/{provider}")


def seed(world: World) -> None:
    """Make the accounts and the events."""
    found = world.fixture("webhooks")
    firms = {firm.slug: firm for firm in Firm.objects.filter(is_demo=True)}
    for entry in found["accounts"]:
        firm = None if entry["of"] == PLATFORM else firms[entry["of"]]
        _make_account(world, entry, firm)
    for entry in found["events"]:
        _make_event(entry, firms[entry["firm"]], world.clock.now)
    world.count("gateway accounts", len(found["accounts"]))
    world.count("webhook events", len(found["events"]))


def clear() -> None:
    """Remove the platform's demo account and what it was sent: no firm takes them along."""
    key = account_key(PLATFORM, GatewayAccount.Provider.BOG)
    for model in (WebhookEvent, WebhookFingerprint):
        of_platform = model.objects.filter(firm=None, account_key=str(key))
        of_platform._raw_delete(of_platform.db)
    GatewayAccount.objects.filter(key=key).delete()


def _make_account(world: World, entry: dict[str, Any], firm: Firm | None) -> None:
    credentials = Secrets(entry["credentials"])
    if entry["provider"] == GatewayAccount.Provider.BOG:
        credentials["public_key"] = world.fixture("sandbox")["bog"]["public_key"]
    # A platform that has an account at the bank already keeps it.
    GatewayAccount.objects.get_or_create(
        firm=firm,
        provider=entry["provider"],
        livemode=False,
        defaults={
            "key": account_key(entry["of"], entry["provider"]),
            "credentials": credentials,
        },
    )


def _make_event(entry: dict[str, Any], firm: Firm, now: datetime) -> None:
    at = now - timedelta(days=entry["days_ago"])
    status = WebhookEvent.Status(entry["status"])
    body = {
        "id": entry["id"],
        "object": "event",
        "type": entry["type"],
        "created": int(at.timestamp()),
        "livemode": False,
        "data": {"object": entry["object"]},
    }
    WebhookEvent.objects.create(
        firm=firm,
        provider=GatewayAccount.Provider.STRIPE,
        account_key=str(account_key(firm.slug, GatewayAccount.Provider.STRIPE)),
        event_id=entry["id"],
        type=entry["type"],
        raw_body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
        status=status,
        attempts=entry["attempts"],
        received_at=at,
        next_attempt_at=at,
        processed_at=at + timedelta(minutes=1) if status in _FINISHED else None,
        error=entry.get("error", ""),
    )
