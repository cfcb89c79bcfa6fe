"""The bank's key, with which it signs what it tells: base64 of SHA256withRSA."""

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

__all__ = ["SigningKey", "bank_key", "forger"]


class SigningKey:
    """An RSA key: a new one, or one that was written down (base64 of its DER)."""

    def __init__(self, written: str = "") -> None:
        self._key = _read(written) if written else generate_private_key(65537, 2048)

    @property
    def public_pem(self) -> str:
        """The public half, as the bank's page shows it."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def written(self) -> str:
        """The whole key, as it can be read again."""
        der = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return base64.b64encode(der).decode()

    def sign(self, raw: bytes) -> str:
        """Return what the header ``Callback-Signature`` says of a body."""
        return base64.b64encode(self._key.sign(raw, PKCS1v15(), SHA256())).decode()


@cache
def bank_key() -> SigningKey:
    """The key of a bank that was given none: made once, which takes a moment."""
    return SigningKey()


@cache
def forger() -> SigningKey:
    """A key that is not the bank's."""
    return SigningKey()


def _read(written: str) -> RSAPrivateKey:
    key = load_der_private_key(base64.b64decode(written), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
