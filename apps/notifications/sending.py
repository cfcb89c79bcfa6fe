"""What a way of sending must offer, and how it says no.

One class per channel (``apps.notifications.email``, ``apps.notifications.sms``); which
channel is served by which is in ``apps.notifications.channels``.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.notifications.types import Words


@dataclass(frozen=True, slots=True)
class Letter:
    """Words for one address, and what belongs around them."""

    reference: str  # the same each time this delivery is tried
    address: str
    words: Words
    firm: Firm
    reply_to: str
    unsubscribe: str = ""  # the token of an optional message
    from_platform: bool = False  # and not from the firm


class Sender(Protocol):
    """Sends letters on one channel. Opens its connection with the first and keeps it."""

    def compose(self, letter: Letter) -> Any:
        """Return the letter as this channel writes it; raises ``Problem`` if it cannot be."""

    def send(self, message: Any) -> str:
        """Hand over a composed message and return the provider's id for it, if any.

        Raises ``Refused`` for this message alone and ``ChannelDown`` when no message can be
        sent at the moment. Their texts hold no address.
        """

    def close(self) -> None:
        """Let the connection go."""


class Refused(Problem):
    """This message was not taken.

    ``final``: it never will be. ``bounced``: because there is no such address;
    ``opted_out``: because the recipient told the provider to stop. ``broken``: the connection
    went in the middle, and whether it was taken is unknown.
    """

    def __init__(
        self,
        reason: str,
        *,
        final: bool = False,
        bounced: bool = False,
        opted_out: bool = False,
        broken: bool = False,
    ) -> None:
        super().__init__(reason)
        self.final = final or bounced or opted_out
        self.bounced = bounced
        self.opted_out = opted_out
        self.broken = broken


class ChannelDown(Problem):
    """Nothing can be sent on this channel at the moment; the message was not handed over.

    With ``firm_id`` this is so for one firm, and the others' messages go out.
    """

    def __init__(self, reason: str, *, firm_id: int | None = None) -> None:
        super().__init__(reason)
        self.firm_id = firm_id
