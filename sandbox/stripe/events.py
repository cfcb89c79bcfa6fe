"""Stripe's events: made for every change of state, signed when they leave."""

import copy
import hmac
import json
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from stripe._api_version import _ApiVersion

from sandbox.callbacks import Callback
from sandbox.core import Core, Json
from sandbox.log import Call
from sandbox.stripe.state import Account, new_id

__all__ = ["encode", "notify", "sign"]


def notify(
    core: Core,
    account: Account,
    type: str,
    row: Json,
    *,
    call: Call | None = None,
    before: Mapping[str, Any] | None = None,
) -> Json:
    """Make an event about an object as it stands now, and send it if the account wants it."""
    data: Json = {"object": copy.deepcopy(row)}
    if before:
        data["previous_attributes"] = dict(before)
    event: Json = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": _ApiVersion.CURRENT,
        "created": int(core.now()),
        "data": data,
        "livemode": account.livemode,
        "pending_webhooks": 1 if account.webhook_url else 0,
        "request": {
            "id": f"req_sandbox{call.number}" if call else None,
            "idempotency_key": (call.idempotency_key or None) if call else None,
        },
        "type": type,
    }
    account.table("event").add(event)
    core.touched.set()
    if account.webhook_url:
        core.callbacks.send(callback(account, event))
    return event


def callback(account: Account, event: Json) -> Callback:
    """Return the event as a message to the account's webhook address."""
    return Callback(
        vendor="stripe",
        id=event["id"],
        url=account.webhook_url,
        body=encode(event),
        headers=lambda body: sign(account.webhook_secret, body),
    )


def encode(event: Json) -> bytes:
    """Return the event as it goes over the wire."""
    return json.dumps(event, indent=2).encode()


def sign(secret: str, body: bytes, *, at: float | None = None) -> dict[str, str]:
    """Return the headers of a webhook. ``at`` is the real time: receivers check its age."""
    seconds = int(time.time() if at is None else at)
    signature = hmac.new(secret.encode(), b"%d.%b" % (seconds, body), sha256).hexdigest()
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": f"t={seconds},v1={signature}",
    }
