"""Tokens of the bank: one per account and process, renewed in time, asked for once."""

import hashlib
import re
import time
from dataclasses import dataclass, field
from threading import Lock

from django.conf import settings
from requests.auth import HTTPBasicAuth

from apps.integrations.cards import BadCredentials, BankError, Unreachable
from apps.integrations.cards.answers import read_object
from apps.integrations.cards.wire import Wire

# The bank's own example is valid for 51,000 years.
LONGEST, SHORTEST = 15 * 60, 10  # seconds
MARGIN = 30  # seconds: what a request may take to arrive

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")  # what may stand in a header


@dataclass(slots=True)
class _Account:
    lock: Lock = field(default_factory=Lock)
    token: str = field(default="", repr=False)
    good_until: float = 0.0
    failed_at: float = 0.0
    failure: BankError = field(default_factory=BankError)


_accounts: dict[bytes, _Account] = {}
_accounts_lock = Lock()


def access_token(
    wire: Wire, *, client_id: str, client_secret: str, instead_of: str = ""
) -> str:
    """Return a token for these credentials, the one at hand while it is good.

    ``instead_of`` is one that the bank has just refused: it is not returned again. Raises
    ``BadCredentials`` or ``Unreachable``.
    """
    account = _account(client_id, client_secret)
    asked_at = time.monotonic()
    with account.lock:  # threads that need a new one wait for the first of them
        if account.token not in {"", instead_of} and time.monotonic() < account.good_until:
            return account.token
        if account.failed_at > asked_at:  # and share its bad luck, or each would wait again
            raise type(account.failure)(str(account.failure))
        try:
            account.token, seconds = _ask(wire, client_id, client_secret)
        except BankError as error:
            account.failed_at = time.monotonic()
            account.failure = type(error)(str(error))  # without its frames and their secrets
            raise
        account.good_until = time.monotonic() + seconds
        return account.token


def _account(client_id: str, client_secret: str) -> _Account:
    # The secret is part of it: a wrong one must not profit from a right one's token.
    name = "\0".join((settings.BOG_TOKENS, client_id, client_secret))
    digest = hashlib.sha256(name.encode()).digest()
    with _accounts_lock:
        return _accounts.setdefault(digest, _Account())


def _ask(wire: Wire, client_id: str, client_secret: str) -> tuple[str, int]:
    answer = wire.exchange(
        "POST",
        settings.BOG_TOKENS,
        auth=HTTPBasicAuth(client_id.encode(), client_secret.encode()),
        form={"grant_type": "client_credentials"},
    )
    if answer.status in {400, 401, 403}:  # 400 is how OAuth says "invalid_client"
        raise BadCredentials("The bank does not accept the platform's credentials.")
    if answer.status != 200:
        raise Unreachable(f"The bank gave no token (HTTP {answer.status}).")
    told = read_object(answer.body)
    token = told.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise Unreachable("The bank's answer has no token.")
    return token, _seconds(told.get("expires_in"))


def _seconds(told: object) -> int:
    if not isinstance(told, int):
        return SHORTEST
    return max(SHORTEST, min(told - MARGIN, LONGEST))
