"""What the bank's response codes mean, and what helps (spec D32).

https://api.bog.ge/docs/en/payments/response-codes
"""

from dataclasses import dataclass
from enum import Enum


class Remedy(Enum):
    """What may turn a failed payment into a good one."""

    NEW_CARD = "new card"  # this card will never do it
    TIME = "time"  # the same card may do it another day
    PERSON = "person"  # its owner has to confirm the payment on the bank's page


@dataclass(frozen=True, slots=True)
class Meaning:
    """A code in words that an owner may read, and its remedy."""

    words: str
    remedy: Remedy


MEANINGS = {
    "101": Meaning("the card may not be used for this", Remedy.NEW_CARD),
    "102": Meaning("the bank no longer has the saved card", Remedy.NEW_CARD),
    "103": Meaning("the card is not valid", Remedy.NEW_CARD),
    "104": Meaning("the card's limit of payments is reached", Remedy.TIME),
    "105": Meaning("the card has expired", Remedy.NEW_CARD),
    "106": Meaning("the amount is above the card's limit", Remedy.TIME),
    "107": Meaning("there was not enough money on the card", Remedy.TIME),
    "108": Meaning("the bank wants you to confirm the payment", Remedy.PERSON),
    "109": Meaning("the bank had a technical problem", Remedy.TIME),
    "110": Meaning("the bank had a technical problem", Remedy.TIME),
    "111": Meaning("the payment was not confirmed in time", Remedy.PERSON),
    "112": Meaning("the bank had a technical problem", Remedy.TIME),
    "199": Meaning("the bank had a technical problem", Remedy.TIME),
}

REJECTED = "rejected"  # the bank gave no code
REFUSED = "refused"  # the bank would not even try
ABANDONED = "expiration"  # nobody paid on the bank's page; the bank's own word
NEVER_HAPPENED = "never happened"  # so a person decided

_OURS = {
    REJECTED: Meaning("the bank did not say why", Remedy.TIME),
    REFUSED: Meaning("the bank had a technical problem", Remedy.TIME),
    ABANDONED: Meaning("nobody paid on the bank's page", Remedy.PERSON),
    NEVER_HAPPENED: Meaning("the payment never reached the bank", Remedy.TIME),
}
_UNKNOWN = Meaning("the bank gave a reason that we do not know", Remedy.TIME)

# The owner has to act: charging by itself once more in the same cycle is no use.
NEEDS_OWNER = frozenset(code for code, one in MEANINGS.items() if one.remedy == Remedy.PERSON)


def meaning(code: str) -> Meaning:
    """Return what a failed order's code means."""
    return MEANINGS.get(code) or _OURS.get(code) or _UNKNOWN
