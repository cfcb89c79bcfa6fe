"""The two ways out: an e-mail, and a signed request. Neither needs the queue or a cluster."""

import base64
import hashlib
import hmac
import smtplib
from datetime import datetime
from email.utils import parseaddr
from time import monotonic

import requests
import urllib3
from django.conf import settings
from django.core.mail import EmailMessage

from apps.core.problems import Problem
from apps.integrations.watched import WatchedAdapter, open_session, read_body
from apps.monitoring.models import Delivery

LARGEST_ANSWER = 100_000  # bytes
_GONE = 410  # Standard Webhooks: this receiver wants nothing more


class Undelivered(Problem):
    """A message has not got through; ``final``: it never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def send_email(delivery: Delivery, *, now: datetime) -> None:
    """Send one e-mail to everybody who is to know. Raises ``Undelivered``."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    message = EmailMessage(
        subject=f"[Nightshift] {delivery.subject}",
        body=delivery.body,
        to=settings.ALERT_EMAILS,
        headers={
            "Message-ID": f"<{delivery.key}@{domain}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        message.send()
    except OSError as error:  # smtplib's are some; their texts repeat addresses
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else ""
        raise Undelivered(f"{type(error).__name__} {code}".strip()) from None


def send_webhook(delivery: Delivery, *, now: datetime) -> None:
    """Post one message as Standard Webhooks has it. Raises ``Undelivered``.

    https://github.com/standard-webhooks/standard-webhooks: the id stays the same when it is
    tried again, so that a receiver can tell.
    """
    body = delivery.body.encode()
    key, stamp = str(delivery.key), str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Nightshift",
        "webhook-id": key,
        "webhook-timestamp": stamp,
        "webhook-signature": sign(settings.ALERT_WEBHOOK_SECRET, key, stamp, body),
    }
    status = request("POST", settings.ALERT_WEBHOOK_URL, headers=headers, body=body)
    if not 200 <= status < 300:
        raise Undelivered(f"answered {status}", final=status == _GONE)


def sign(secret: str, key: str, stamp: str, body: bytes) -> str:
    """Return the signature over a message: ``v1,`` and base64."""
    shared = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((key.encode(), stamp.encode(), body))
    digest = hmac.new(shared, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def request(method: str, url: str, *, headers: dict[str, str], body: bytes) -> int:
    """Ask once, in bounded time, without following anybody elsewhere; return the status.

    Raises ``Undelivered``; its text holds no address, which may be a secret.
    """
    patience = settings.ALERT_TIMEOUT
    try:
        with open_session() as session:
            session.trust_env = False  # a .netrc must not add a password
            for scheme in ("https://", "http://"):
                session.mount(scheme, WatchedAdapter())
            with session.request(
                method,
                url,
                headers=headers,
                data=body,
                timeout=(patience, patience),
                allow_redirects=False,
                stream=True,
            ) as answer:
                read_body(answer.raw, until=monotonic() + patience, largest=LARGEST_ANSWER)
                return answer.status_code
    except (
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
        ValueError,
    ) as error:
        raise Undelivered(type(error).__name__) from None
