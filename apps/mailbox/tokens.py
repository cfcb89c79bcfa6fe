"""What names a ticket in a letter: ``[#12-k3jx5q2mabcdwxyz]``, or ``support+12-…@``.

Signed, because whoever can name a ticket can write into it: a number alone could be guessed.
The firm is part of what is signed. Lower case, because some mail servers change the case.
"""

import base64
import hmac
import re
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.mailbox.models import Ticket

MOST = 5  # of one letter that are looked at

_SUBJECT = re.compile(r"\[#(\d{1,18})-([a-z2-7]{16})\]", re.IGNORECASE)
_ADDRESS = re.compile(r"\+(\d{1,18})-([a-z2-7]{16})@", re.IGNORECASE)


def subject_token(ticket: Ticket) -> str:
    """Return what to put into the subject of an answer, so that it finds its ticket."""
    return f"[#{_token(ticket.firm_id, ticket.pk, settings.SECRET_KEY)}]"


def reply_address(ticket: Ticket, address: str) -> str:
    """Return an address of a mailbox that leads to a ticket: ``support+12-…@example.com``."""
    local, _, domain = address.partition("@")
    return f"{local}+{_token(ticket.firm_id, ticket.pk, settings.SECRET_KEY)}@{domain}"


def named_tickets(firm_id: int, subject: str, addresses: Iterable[str]) -> list[int]:
    """Return the keys of a firm's tickets that a letter rightly names. They may be gone."""
    found = [*_SUBJECT.findall(subject), *_in_addresses(addresses)]
    return [int(key) for key, sign in found[:MOST] if _is_ours(firm_id, int(key), sign)]


def _in_addresses(addresses: Iterable[str]) -> Iterator[tuple[str, str]]:
    for address in sorted(addresses):
        yield from _ADDRESS.findall(address)


def _is_ours(firm_id: int, key: int, sign: str) -> bool:
    told = f"{key}-{sign.lower()}"
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(told, _token(firm_id, key, secret)) for secret in secrets)


def _token(firm_id: int, key: int, secret: str) -> str:
    what = f"{firm_id}:{key}"
    signed = salted_hmac("mailbox.ticket", what, secret=secret, algorithm="sha256").digest()
    return f"{key}-{base64.b32encode(signed[:10]).decode().lower()}"
