"""Did the Bank of Georgia send this? (https://api.bog.ge/docs/en/payments/standard-process/callback)"""

import base64
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from apps.core.problems import Problem

__all__ = ["BadSignature", "NoPublicKey", "verify_callback"]

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----(.+?)-----END PUBLIC KEY-----", re.DOTALL)


class BadSignature(Problem):
    """The callback is not the bank's, or was changed on its way."""


class NoPublicKey(Problem):
    """There is no key of the bank's to check with: the settings are wrong, not the callback."""


def verify_callback(*, raw: bytes, signature: str, public_keys: Sequence[str]) -> None:
    """Make sure that the bank signed these bytes with one of its keys, or raise.

    ``raw`` is the body as it arrived: parsed and written again it has another signature.
    ``signature`` is the header ``Callback-Signature``, base64 of SHA256withRSA. Two keys are
    normal while the bank changes them, the old one and the new; each is a PEM, with or
    without line breaks, as it can be copied from the bank's page.

    Raises ``BadSignature``, or ``NoPublicKey`` when not one of the keys can be read.
    """
    keys = [key for key in map(_read_key, public_keys) if key is not None]
    if not keys:
        raise NoPublicKey("No public key of the bank can be read.")
    try:
        signed = base64.b64decode(signature, validate=True)
    except ValueError:  # also text that is not ASCII
        signed = b""
    if not any(_signed_by(key, signed, raw) for key in keys):
        raise BadSignature("The signature is not the bank's.")


def _signed_by(key: RSAPublicKey, signature: bytes, raw: bytes) -> bool:
    try:
        key.verify(signature, raw, PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _read_key(pem: str) -> RSAPublicKey | None:
    found = _PEM.search(pem)
    if not found:
        return None
    # The bank's page, environment variables and forms lose the line breaks or escape them.
    text = "".join(found[1].replace("\\n", "").split())
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None
