"""Text messages: what Nightshift needs of whoever carries them.

Nothing here touches the database, and no verb may be called inside a transaction. No error's
text holds a number or a word of a message.
"""

from dataclasses import dataclass
from typing import Protocol

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange

__all__ = [
    "AccountDown",
    "Later",
    "NotTaken",
    "Text",
    "Texts",
    "Unknown",
    "get_texts",
    "segments",
]


class Unknown(Problem):
    """No answer that says what happened. It must not be sent again: it may have been."""


class Later(Problem):
    """Surely not sent, and may be later: too many at once, or the carrier is out of order."""


class AccountDown(Problem):
    """Surely not sent, and nothing else of this account will be: credentials, sender, line."""


class NotTaken(Problem):
    """This message will never be taken.

    ``opted_out``: the recipient told the carrier to stop. ``bad_number``: nobody can be
    reached by it, ever.
    """

    def __init__(
        self, reason: str, *, opted_out: bool = False, bad_number: bool = False
    ) -> None:
        super().__init__(reason)
        self.opted_out = opted_out
        self.bad_number = bad_number


@dataclass(frozen=True, slots=True)
class Text:
    """A text message; what becomes of it is told to ``callback``, which tells one from all."""

    to: str  # E.164
    body: str
    callback: str


class Texts(Protocol):
    """An account that sends, from one sender. Every call has a time-out."""

    def send(self, text: Text) -> str:
        """Hand over a message and return the carrier's id for it.

        Raises ``Unknown``, ``Later``, ``AccountDown`` or ``NotTaken``.
        """

    def close(self) -> None:
        """Give the connections back."""


def get_texts(*, account_sid: str, auth_token: str, sender: str) -> Texts:
    """Return an account at Twilio; the sender is a number, a name or a messaging service."""
    refuse_if_strange()
    from apps.integrations.sms.twilio import TwilioTexts  # noqa: PLC0415 - slow import

    return TwilioTexts(account_sid=account_sid, auth_token=auth_token, sender=sender)


_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_DOUBLE = frozenset("^{}\\[~]|€\f")


def segments(body: str) -> int:
    """Return how many messages a carrier makes of a text, and charges for (GSM 03.38).

    160 of GSM's own letters fit into one, or 153 into each of several; with any other letter
    in it, 70 or 67. Some of GSM's count twice, and letters beyond 16 bits as well.
    """
    if _GSM.union(_GSM_DOUBLE).issuperset(body):
        length, alone, each = sum(1 + (letter in _GSM_DOUBLE) for letter in body), 160, 153
    else:
        length, alone, each = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= alone else -(-length // each)
