"""Whom to tell about a lease."""

from collections import defaultdict
from collections.abc import Iterable

from apps.contacts.models import Contact
from apps.leasing.models import LeaseParty


def renters_of(lease_ids: Iterable[int]) -> dict[int, list[Contact]]:
    """Return the renters of leases; guarantors are none, and the erased are gone."""
    renters: dict[int, list[Contact]] = defaultdict(list)
    parties = LeaseParty.objects.filter(
        lease__in=set(lease_ids), role__in=LeaseParty.RENTERS, contact__erased_at=None
    )
    for party in parties.select_related("contact").order_by("pk"):
        renters[party.lease_id].append(party.contact)
    return renters
