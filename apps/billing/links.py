"""Links on which a customer pays an invoice or stores a card, without signing in.

Whoever has the link may do that and nothing else. It is derived from the secret key when a
message is written, works for 30 days and is stored nowhere.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse

LIFETIME = timedelta(days=30)

_PAY = "billing.pay"
_CARD = "billing.card"


def pay_link(invoice_id: int) -> str:
    """Return the address at which an invoice can be paid; it must go to its payer only."""
    return settings.SITE_URL + reverse("billing:pay", args=[_token(_PAY, invoice_id)])


def card_link(account_id: int) -> str:
    """Return the address at which an account's card can be stored; for its owner only."""
    return settings.SITE_URL + reverse("billing:card", args=[_token(_CARD, account_id)])


def invoice_of(token: str) -> int | None:
    """Return the invoice that a link is for, None for a forged or an old one."""
    return _read(_PAY, token)


def account_of(token: str) -> int | None:
    """Return the account that a card link is for, None for a forged or an old one."""
    return _read(_CARD, token)


def _token(salt: str, key: int) -> str:
    return signing.TimestampSigner(salt=salt).sign_object(key)


def _read(salt: str, token: str) -> int | None:
    try:
        key = signing.TimestampSigner(salt=salt).unsign_object(token, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return key if isinstance(key, int) else None
