"""Which channels there are, who serves them, and what is special about each.

Text messages need an account of the firm's own at the carrier: for a firm without one, none
is ever planned.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from apps.contacts.models import Contact
from apps.firms.models import User
from apps.notifications.email import EmailSender
from apps.notifications.models import Channel
from apps.notifications.sending import Sender
from apps.notifications.sms import SmsSender, firms_with_sms


@dataclass(frozen=True)
class Facts:
    """What sets a channel apart."""

    needs_consent: bool = False
    always_quiet: bool = False  # quiet hours are not the firm's choice
    resends: bool = True  # after a crash that hides whether a message went out


FACTS: Mapping[Channel, Facts] = {
    Channel.EMAIL: Facts(),
    Channel.SMS: Facts(needs_consent=True, always_quiet=True, resends=False),
    Channel.IN_APP: Facts(),
}

SENDERS: Mapping[Channel, Callable[[], Sender]] = {
    Channel.EMAIL: EmailSender,
    Channel.SMS: SmsSender,
}


def available(firm_ids: Iterable[int], wanted: Iterable[Channel]) -> set[tuple[int, Channel]]:
    """Return which firms can use which of the channels; only about SMS somebody is asked."""
    firms, asked = set(firm_ids), set(wanted)
    found = {(firm, channel) for firm in firms for channel in asked - {Channel.SMS}}
    if Channel.SMS in asked:
        found |= {(firm, Channel.SMS) for firm in firms_with_sms(firms)}
    return found


def address(recipient: Contact | User, channel: Channel) -> str:
    """Return where a recipient is reached on a channel, or nothing."""
    if channel == Channel.EMAIL:
        return recipient.email
    if channel == Channel.SMS and isinstance(recipient, Contact):
        return recipient.phone
    return ""


def reachable(recipient: Contact | User, channel: Channel) -> bool:
    """Tell whether a recipient has an address for a channel; in-app needs none."""
    return channel == Channel.IN_APP or bool(address(recipient, channel))
