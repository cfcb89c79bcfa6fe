"""Who somebody is to the firms that know them."""

from django.db.models import Q

from apps.contacts.models import Contact
from apps.core.personal import People
from apps.firms.models import Firm, User


def people_of(user: User, *, firm: Firm | None = None) -> People:
    """Return an account together with the contacts that are the same person (spec D7).

    A contact is, when somebody linked it to the account; and when it has the account's
    address, has shown that the address is its own, and the account belongs to its firm. By
    an address alone anybody could get at a stranger's data: it is enough to type it.
    """
    own = Q(user=user)
    if user.email:
        own |= Q(
            user=None,
            email=user.email.lower(),
            email_verified_at__isnull=False,
            firm__in=user.memberships.values("firm"),
        )
    contacts = Contact.objects.filter(own)
    if firm:
        contacts = contacts.for_firm(firm)
    return People(frozenset({user.pk}), frozenset(contacts.values_list("pk", flat=True)))
