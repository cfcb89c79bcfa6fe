"""A callback's signature ..."""

import base64
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from apps.core.problems import Problem
from apps.integrations.cards.signature import BadSignature, NoPublicKey, verify_callback
from sandbox.bog.signing import bank_key, forger

RAW = '{"event": "order_payment", "body": {"order_id": "b-1", "value": "შესრულებული"}}'.encode()
# From https://api.bog.ge/docs/en/payments/standard-process/callback, its line breaks lost.
THE_BANKS_OWN = (
    "-----BEGIN PUBLIC KEY-----MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu4RUyAw3+CdkS3ZNILQh"
    "zHI9Hemo+vKB9U2BSabppkKjzjjkf+0Sm76hSMiu/HFtYhqWOESryoCDJoqffY0Q1VNt25aTxbj068QNUtnxQ7KQVL"
    "A+pG0smf+EBWlS1vBEAFbIas9d8c9b9sSEkTrrTYQ90WIM8bGB6S/KLVoT1a7SnzabjoLc5Qf/SLDG5fu8dH8zckye"
    "YKdRKSBJKvhxtcBuHV4f7qsynQT+f2UYbESX/TLHwT5qFWZDHZ0YUOUIvb8n7JujVSGZO9/+ll/g4ZIWhC1MlJgPOb"
    "DwRkRd8NFOopgxMcMsDIZIoLbWKhHVq67hdbwpAq9K9WMmEhPnPwIDAQAB-----END PUBLIC KEY-----"
)


BANK, FORGER = "the bank's", "a forger's"  # keys are made late: they take a moment


def pem(name: str) -> str:
    """The public key of that name; what is no name is taken for a key."""
    keys = {BANK: bank_key, FORGER: forger}
    return keys[name]().public_pem if name in keys else name


def verify(
    raw: bytes = RAW, *, signature: str | None = None, keys: Sequence[str] = (BANK,)
) -> None:
    verify_callback(
        raw=raw,
        signature=bank_key().sign(RAW) if signature is None else signature,
        public_keys=[pem(key) for key in keys],
    )


@pytest.mark.parametrize("line_break", ["\n", "", "\\n", "\r\n", " ", "\n\n"])
def test_is_good_by_the_banks_key_however_it_was_pasted(line_break: str) -> None:
    verify(keys=[pem(BANK).replace("\n", line_break)])


@pytest.mark.parametrize(
    "keys", [(BANK, FORGER), (FORGER, BANK), ("", BANK), ("half", BANK), (BANK, THE_BANKS_OWN)]
)
def test_is_good_by_either_of_two_keys(keys: Sequence[str]) -> None:
    verify(keys=keys)


@pytest.mark.parametrize(
    "raw",
    [
        RAW.replace(b"b-1", b"b-2"),
        RAW + b" ",
        RAW[:-1],
        b"",
        b'{"body": {"order_id": "b-1"}, "event": "order_payment"}',
    ],
)
def test_is_bad_when_the_body_was_changed(raw: bytes) -> None:
    with pytest.raises(BadSignature, match="not the bank's"):
        verify(raw)


def test_is_bad_when_somebody_else_signed() -> None:
    with pytest.raises(BadSignature):
        verify(signature=forger().sign(RAW))


@pytest.mark.parametrize("key", [FORGER, THE_BANKS_OWN])
def test_is_bad_by_another_key(key: str) -> None:
    with pytest.raises(BadSignature):
        verify(keys=[key])


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "no base64!",
        "ქართული",
        "AAAA",
        "A",
        base64.b64encode(bytes(256)).decode(),
        base64.b64encode(bytes(10_000)).decode(),
        "\x00",
    ],
)
def test_is_bad_when_it_is_none(signature: str) -> None:
    with pytest.raises(BadSignature):
        verify(signature=signature)


def test_is_bad_when_a_part_is_missing_or_too_much() -> None:
    whole = bank_key().sign(RAW)

    for part in (whole[:-4], whole + "AAAA", whole[4:], whole.lower()):
        with pytest.raises(BadSignature):
            verify(signature=part)


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("",),
        ("-----BEGIN PUBLIC KEY-----%%%-----END PUBLIC KEY-----",),
        ("-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----",),
        ("-----BEGIN PUBLIC KEY-----",),
    ],
)
def test_cannot_be_checked_without_a_key(keys: Sequence[str]) -> None:
    with pytest.raises(NoPublicKey):
        verify(keys=keys)


def test_cannot_be_checked_by_a_key_of_another_kind() -> None:
    key = generate_private_key(SECP256R1()).public_key()
    other = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    with pytest.raises(NoPublicKey):
        verify(keys=[other])


def test_says_nothing_of_what_it_checked() -> None:
    with pytest.raises(Problem) as trouble:
        verify(RAW + b"5488881234569893")

    assert str(trouble.value) == "The signature is not the bank's."
