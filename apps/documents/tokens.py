"""The secret in a signing link, which no column ever holds.

A link must be written into an e-mail minutes after it was made, by another process, and the
outbox is a table. So the token is not kept but made again: it is an HMAC-SHA256 of a random
256-bit nonce under ``SECRET_KEY``. The database has the nonce and the token's SHA-256; whoever
copies the database can neither compute the one nor invert the other (spec D22).
"""

import base64
import hashlib
import secrets

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

_SALT = "apps.documents.tokens"


def fresh_nonce() -> str:
    """Return 256 random bits in hexadecimal."""
    return secrets.token_hex(32)


def token_for(nonce: str, *, key: str | bytes | None = None) -> str:
    """Return the token that belongs to a nonce: 256 bits in 43 characters."""
    mac = salted_hmac(_SALT, nonce, secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def hash_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def recover(*, nonce: str, token_hash: str) -> str:
    """Return the token that was made from a nonce, or nothing.

    Looks at ``SECRET_KEY_FALLBACKS`` too, so that changing the key kills no message that
    waits in the outbox.
    """
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        token = token_for(nonce, key=key)
        if constant_time_compare(hash_of(token), token_hash):
            return token
    return ""
