"""Events as the providers send them: signed, and posted to the account's address."""

import base64
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from stripe import WebhookSignature

from apps.core.fields import Secrets
from apps.webhooks.models import (
    GatewayAccount,
    WebhookEvent,
    WebhookFingerprint,
    WebhookRefusal,
)
from tests.factories import GatewayAccountFactory

CALLBACK = {
    "event": "order_payment",
    "zoned_request_time": "2025-06-10T15:59:58.123456Z",
    "body": {
        "order_id": "8d9a54a2-5a10-4f5b-8e39-0d2c4a6f1b11",
        "order_status": {"key": "completed", "value": "შესრულებული"},
    },
}


def written(event_id: str = "evt_1", **more: Any) -> bytes:
    """A Stripe event's body."""
    event = {"id": event_id, "object": "event", "type": "payment_intent.succeeded"}
    return json.dumps({**event, "livemode": False, **more}).encode()


def stripe_signature(raw: bytes, secret: str = "whsec_factory", ago: int = 0) -> str:
    """Stripe's signature of a body, made so many seconds ago."""
    at = int(timezone.now().timestamp()) - ago
    return WebhookSignature.generate_signature_header(raw.decode(), secret, timestamp=at)


def send(account: GatewayAccount, raw: bytes, **headers: str) -> HttpResponseBase:
    """Post a body to the address of a Stripe account, well signed unless told otherwise."""
    if "Stripe-Signature" not in headers:
        headers["Stripe-Signature"] = stripe_signature(raw)
    return post(f"/webhooks/stripe/{account.key}/", raw, headers)


def post(path: str, raw: bytes, headers: dict[str, str]) -> HttpResponseBase:
    """Post a body as it stands, with a browser's CSRF checks."""
    client = Client(enforce_csrf_checks=True)
    return client.post(path, raw, content_type="application/json", headers=headers)


@cache
def bank_key(name: str = "current") -> RSAPrivateKey:
    """One of the bank's private keys."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str = "current") -> str:
    key = bank_key(name).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def bog_signature(raw: bytes, key: str = "current") -> str:
    """The bank's signature of a body."""
    return base64.b64encode(bank_key(key).sign(raw, PKCS1v15(), hashes.SHA256())).decode()


def call_back(raw: bytes, path: str = "/webhooks/bog/", key: str = "current") -> Any:
    """Post a body as the bank does, signed with one of its keys."""
    return post(path, raw, {"Callback-Signature": bog_signature(raw, key)})


def platform_account(**credentials: str) -> GatewayAccount:
    """The platform's account at the bank, which knows the bank's current key."""
    return GatewayAccountFactory(
        firm=None,
        provider="bog",
        credentials=Secrets({"public_key": public_pem()} | credentials),
    )


def refusals() -> dict[str, int]:
    """How often the inbox has said no, by reason."""
    return dict(WebhookRefusal.objects.values_list("reason", "count"))


def nothing_is_kept() -> bool:
    return not (WebhookEvent.objects.exists() or WebhookFingerprint.objects.exists())
