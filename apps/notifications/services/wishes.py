"""What recipients want, and which addresses must be left alone (spec A10.3, A10.4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from django.core import signing

from apps.core.hashes import keyed_hashes
from apps.firms.models import Firm
from apps.notifications.channels import FACTS
from apps.notifications.models import Channel, NotificationPreference, Suppression
from apps.notifications.types import Category, NotificationType

_HASH_PURPOSE = "notifications.suppression"
_SIGNER = signing.Signer(salt="notifications.unsubscribe")

Recipient = tuple[int, str]  # firm, recipient key


@dataclass(frozen=True)
class Wishes:
    """The preferences of some recipients, looked up at once."""

    _rows: Mapping[tuple[int, str, str, str], bool]

    @classmethod
    def of(cls, recipients: Iterable[Recipient]) -> Self:
        """Look up the preferences of recipients, with one query."""
        pairs = set(recipients)
        rows = NotificationPreference.objects.filter(
            firm__in={firm for firm, _ in pairs},
            recipient_key__in={recipient for _, recipient in pairs},
        ).values_list("firm_id", "recipient_key", "channel", "category", "wanted")
        return cls({row[:4]: row[4] for row in rows})

    def allow(
        self, firm_id: int, recipient: str, type: NotificationType, channel: Channel
    ) -> bool:
        """Tell whether a recipient may get such a message on a channel.

        A preference for the category outweighs the one for all. Where consent is needed
        (SMS), nothing is sent without it, and a general no outweighs every yes. Elsewhere a
        no counts only for types that one may opt out of.
        """
        general = self._rows.get((firm_id, recipient, channel, ""))
        wanted = self._rows.get((firm_id, recipient, channel, type.category), general)
        if FACTS[channel].needs_consent:
            return general is not False and wanted is True
        return not type.may_opt_out or wanted is not False


@dataclass(frozen=True)
class Unsubscribing:
    """Who stops getting what, as an unsubscribe link says it."""

    firm: Firm
    recipient_key: str
    category: Category


def unsubscribe_token(*, firm_id: int, recipient_key: str, category: Category) -> str:
    """Return the signed text of an unsubscribe link. It never expires and holds no address."""
    return _SIGNER.sign_object([firm_id, recipient_key, category])


def read_unsubscribe_token(token: str) -> Unsubscribing | None:
    """Return what an unsubscribe link says, or nothing for a forged or outdated one."""
    try:
        firm_id, recipient_key, category = _SIGNER.unsign_object(token)
        return Unsubscribing(Firm.objects.get(pk=firm_id), recipient_key, Category(category))
    except (signing.BadSignature, Firm.DoesNotExist, TypeError, ValueError):
        return None


def prefer(
    *,
    firm_id: int,
    recipient_key: str,
    channel: Channel,
    wanted: bool,
    category: Category | None = None,
) -> None:
    """Write down what a recipient wants on a channel; without a category, of everything."""
    NotificationPreference.objects.update_or_create(
        firm_id=firm_id,
        recipient_key=recipient_key,
        channel=channel,
        category=category or "",
        defaults={"wanted": wanted},
    )


def suppress(
    *, firm_id: int, channel: Channel, address: str, reason: Suppression.Reason
) -> None:
    """Never write to an address again on behalf of a firm."""
    Suppression.objects.get_or_create(
        firm_id=firm_id,
        channel=channel,
        address_hash=address_hashes(firm_id, address)[0],
        defaults={"reason": reason},
    )


def address_hashes(firm_id: int, address: str) -> list[str]:
    """Return what stands for an address in suppressions: under today's key, then older ones.

    Firms cannot be compared with each other, since the firm is part of what is hashed.
    """
    return keyed_hashes(_HASH_PURPOSE, f"{firm_id}:{address.strip().lower()}")


def suppressed(channel: Channel, addresses: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return which addresses (firm, address) must not be written to, with one query."""
    hashes = {
        one: (firm_id, address)
        for firm_id, address in addresses
        for one in address_hashes(firm_id, address)
    }
    found = Suppression.objects.filter(
        channel=channel,
        firm__in={firm_id for firm_id, _ in hashes.values()},
        address_hash__in=hashes,
    ).values_list("address_hash", flat=True)
    return {hashes[one] for one in found}
