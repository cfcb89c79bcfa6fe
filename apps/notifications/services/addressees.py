"""Whom a message that a person wrote is for: an address, or a group of one firm (spec D21)."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.contacts.models import Contact
from apps.core.batches import by_key
from apps.core.days import Clock
from apps.core.problems import BadOption
from apps.firms.models import Firm, Membership, User
from apps.firms.services import find_firm
from apps.notifications.models import Channel, NotificationGroup
from apps.notifications.services.groups import members_of

Recipient = Contact | User


@dataclass(frozen=True, slots=True)
class Addressees:
    """A firm, and whom it writes to: somebody it knows, a group, or a bare address."""

    firm: Firm
    known: Recipient | None = None
    group: NotificationGroup | None = None
    address: str = ""

    def recipients(self, clock: Clock) -> Iterator[Recipient]:
        """Yield everybody it is for, each once; a bare address is nobody before it is written.

        Members come in the order of their keys, a page at a time.
        """
        if self.group is not None:
            yield from by_key(members_of(self.group, today=self.firm.today(clock)))
        elif self.known is not None:
            yield self.known
        else:
            yield Contact(firm=self.firm, display_name=self.address, email=self.address)


def find_addressees(*, to: str, group: str, firm_id: int | None, channel: str) -> Addressees:
    """Return whom the options mean; what several firms could mean is never guessed.

    Exactly one of ``to`` and ``group`` is given. Raises ``BadOption``.
    """
    firm = None if firm_id is None else find_firm(firm_id)
    if group:
        return _group(group, firm)
    return _somebody(to.strip().lower(), firm, channel)


def remember(recipient: Recipient) -> Recipient:
    """Return the recipient, as a contact of the firm if nobody knew the address before.

    In the transaction in which they are written to: their messages hang on the contact, and
    with it they can be exported and erased.
    """
    if recipient._state.adding:
        recipient.save(force_insert=True)
    return recipient


def _group(name: str, firm: Firm | None) -> Addressees:
    groups = NotificationGroup.objects.filter(name__iexact=name).select_related("firm")
    if firm is not None:
        groups = groups.filter(firm=firm)
    found = list(groups)
    if not found:
        raise BadOption(f"Group '{name}' does not exist.")
    if len(found) > 1:
        raise BadOption(f"Group '{name}' exists in {len(found)} firms; use --firm-id.")
    return Addressees(found[0].firm, group=found[0])


def _somebody(address: str, firm: Firm | None, channel: str) -> Addressees:
    try:
        validate_email(address)
    except ValidationError:
        raise BadOption(f"'{address}' is not an e-mail address.") from None
    known = _known_as(address, firm)
    if len(known) > 1:
        raise BadOption(f"{address} is known in {len(known)} firms; use --firm-id.")
    for pk, recipient in known.items():
        return Addressees(firm or Firm.objects.get(pk=pk), known=recipient)
    if channel not in {"", Channel.EMAIL}:
        raise BadOption(
            f"No contact found for {address}; sms and in_app need a known recipient."
        )
    if firm is None:
        firms = list(Firm.objects.all()[:2])
        if len(firms) != 1:
            raise BadOption(f"No contact found for {address}; use --firm-id.")
        (firm,) = firms
    return Addressees(firm, address=address)


def _known_as(address: str, firm: Firm | None) -> dict[int, Recipient]:
    """Return who has an address, by firm: the oldest contact, else one of its staff."""
    staff = Membership.objects.filter(
        user__email__iexact=address, user__is_active=True, is_active=True
    ).select_related("user")
    contacts = Contact.objects.present().filter(email=address)
    if firm is not None:
        staff, contacts = staff.filter(firm=firm), contacts.filter(firm=firm)
    known: dict[int, Recipient] = {one.firm_id: one.user for one in staff}
    return known | {one.firm_id: one for one in contacts.order_by("-pk")}
