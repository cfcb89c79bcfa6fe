"""What stands for a text that must not be stored, and leads nowhere."""

from django.conf import settings
from django.utils.crypto import salted_hmac


def keyed_hashes(purpose: str, text: str) -> list[str]:
    """Return the SHA-256 HMAC of a text under today's ``SECRET_KEY``, then under former ones.

    Store the first; look for all of them, so that what was stored before the key changed is
    still found. Texts hashed for different purposes cannot be compared with each other.
    """
    return [
        salted_hmac(purpose, text, secret=secret, algorithm="sha256").hexdigest()
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
