"""How each provider signs what it sends, and what it calls its events."""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import QueryDict

from apps.core.problems import Problem
from apps.integrations.cards.signature import BadSignature, NoPublicKey, verify_callback
from apps.webhooks.models import GatewayAccount, WebhookRefusal

Reason = WebhookRefusal.Reason

TOLERANCE = 300  # seconds between Stripe's signing and our reading
_LONGEST_ID, _LONGEST_TYPE = 200, 100  # characters, as wide as their columns


class Refused(Problem):
    """A request that the inbox turns away; nothing of it is kept."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason.label))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What the inbox must know of an event; the rest is for whoever acts on it."""

    event_id: str
    type: str
    livemode: bool | None = None  # None: this provider does not say


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came; ``path`` with its query."""

    raw: bytes
    path: str


@dataclass(frozen=True, slots=True)
class Sender:
    """One provider: the header with its signature, the check, the reading."""

    header: str
    check: Callable[[Incoming, str, Mapping[str, str]], None]
    read: Callable[[dict[str, Any], bytes], Facts]
    parse: Callable[[bytes], dict[str, Any]]


def parse_json(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is; raises ``Refused`` for anything else."""
    try:
        payload = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, not JSON, or nested to break us
        raise Refused(Reason.MALFORMED) from None
    if not isinstance(payload, dict):
        raise Refused(Reason.MALFORMED)
    return payload


# ---- Stripe -------------------------------------------------------------------------------


def _check_stripe(incoming: Incoming, signature: str, secrets: Mapping[str, str]) -> None:
    """Check Stripe's HMAC over the raw body, then its age.

    An account without a secret trusts nobody: an HMAC with an empty key is anybody's.
    """
    from stripe import SignatureVerificationError, WebhookSignature  # noqa: PLC0415 - slow

    secret = secrets.get("webhook_secret", "")
    if not secret or not signature.isascii():  # the SDK cannot compare other characters
        raise Refused(Reason.BAD_SIGNATURE)
    try:
        body = incoming.raw.decode("utf-8")
        WebhookSignature.verify_header(body, signature, secret)
    except (SignatureVerificationError, UnicodeDecodeError):
        raise Refused(Reason.BAD_SIGNATURE) from None  # the SDK's error holds the body
    try:
        WebhookSignature.verify_header(body, signature, secret, TOLERANCE)
    except SignatureVerificationError:
        raise Refused(Reason.STALE) from None


def _read_stripe(payload: dict[str, Any], raw: bytes) -> Facts:
    livemode = payload.get("livemode")
    return Facts(
        event_id=_name(payload.get("id")),
        type=_label(payload.get("type")),
        livemode=livemode if isinstance(livemode, bool) else None,
    )


# ---- the Bank of Georgia ------------------------------------------------------------------


def _check_bog(incoming: Incoming, signature: str, secrets: Mapping[str, str]) -> None:
    """Check the bank's RSA signature over the raw body with each key that we have of it.

    The bank states no age after which a callback is old, and promises none twice.
    """
    keys = [key for name in ("public_key", "next_public_key") if (key := secrets.get(name))]
    try:
        verify_callback(raw=incoming.raw, signature=signature, public_keys=keys)
    except (BadSignature, NoPublicKey):
        raise Refused(Reason.BAD_SIGNATURE) from None


def _read_bog(payload: dict[str, Any], raw: bytes) -> Facts:
    """Name a callback by its order, status and time: the bank gives its events no id.

    The time is part of it because an order can have the same status twice (two partial
    refunds). A callback that lacks one of the three is named by its order and its whole body.
    """
    body = payload.get("body")
    body = body if isinstance(body, dict) else {}
    order = _name(body.get("order_id"))
    status = body.get("order_status")
    key = status.get("key") if isinstance(status, dict) else None
    time = payload.get("zoned_request_time")
    if isinstance(key, str) and isinstance(time, str) and key and time:
        name = f"{order}:{key}:{time}"
    else:
        name = f"{order}:{sha256(raw).hexdigest()}"
    return Facts(event_id=_name(name), type=_label(payload.get("event")))


# ---- Twilio -------------------------------------------------------------------------------


def parse_form(raw: bytes) -> dict[str, Any]:
    """Return a form's fields, each once; raises ``Refused`` for what is no form."""
    try:
        return QueryDict(raw.decode("ascii")).dict()
    except (UnicodeDecodeError, RequestDataTooBig, TooManyFieldsSent):
        raise Refused(Reason.MALFORMED) from None


def _check_twilio(incoming: Incoming, signature: str, secrets: Mapping[str, str]) -> None:
    """Check Twilio's HMAC over the address it was told and the fields of its form.

    The address is the public one: what the request came by may be a proxy's plain HTTP, and
    its headers anybody's invention.
    """
    from twilio.request_validator import RequestValidator  # noqa: PLC0415 - slow import

    token = secrets.get("auth_token", "")
    if not token or not signature.isascii():
        raise Refused(Reason.BAD_SIGNATURE)
    address, fields = settings.SITE_URL + incoming.path, parse_form(incoming.raw)
    if not RequestValidator(token).validate(address, fields, signature):
        raise Refused(Reason.BAD_SIGNATURE)


def _read_twilio(payload: dict[str, Any], raw: bytes) -> Facts:
    """Name what happened by the message and, where it is ours, its new state."""
    message, state = payload.get("MessageSid"), payload.get("MessageStatus")
    if not state:
        return Facts(event_id=_name(message), type="message.received")
    return Facts(event_id=_name(f"{_name(message)}:{state}"), type=_label(f"message.{state}"))


# ---- a mail server ------------------------------------------------------------------------


def _parse_mail(raw: bytes) -> dict[str, Any]:
    """Return what kind of message a body is, by its headers; raises ``Refused`` for none."""
    headers = BytesHeaderParser().parsebytes(raw)
    if not headers.keys():
        raise Refused(Reason.MALFORMED)
    report = headers.get_param("report-type")
    return {"report": report if isinstance(report, str) else ""}


def _check_mail(incoming: Incoming, signature: str, secrets: Mapping[str, str]) -> None:
    """Check the HMAC (SHA-256, in hexadecimal) of whoever passes mail on, over the message.

    It never grows old: mail may have waited for days, and comes as the same event again.
    """
    secret = secrets.get("webhook_secret", "")
    true = hmac.new(secret.encode(), incoming.raw, sha256).hexdigest()
    if not secret or not hmac.compare_digest(true.encode(), signature.strip().encode()):
        raise Refused(Reason.BAD_SIGNATURE)


def _read_mail(payload: dict[str, Any], raw: bytes) -> Facts:
    """Name a message by all of it: reports need not have a Message-ID."""
    return Facts(event_id=sha256(raw).hexdigest(), type=_label(payload["report"]) or "message")


SENDERS = {
    GatewayAccount.Provider.STRIPE.value: Sender(
        "Stripe-Signature", _check_stripe, _read_stripe, parse_json
    ),
    GatewayAccount.Provider.BOG.value: Sender(
        "Callback-Signature", _check_bog, _read_bog, parse_json
    ),
    GatewayAccount.Provider.TWILIO.value: Sender(
        "X-Twilio-Signature", _check_twilio, _read_twilio, parse_form
    ),
    GatewayAccount.Provider.MAIL.value: Sender(
        "Nightshift-Signature", _check_mail, _read_mail, _parse_mail
    ),
}


# ---- inside -------------------------------------------------------------------------------


def _name(value: object) -> str:
    """Return what must tell one event from all others, whole and as it stands."""
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID
    if not fits or clean(str(value)) != value:
        raise Refused(Reason.MALFORMED)
    return str(value)


def _label(value: object) -> str:
    return clean(value)[:_LONGEST_TYPE] if isinstance(value, str) else ""


def clean(text: str) -> str:
    """Return a text without what no database takes and no log should: NUL, line breaks …"""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # halves of characters become ?
    return "".join(filter(str.isprintable, whole))
