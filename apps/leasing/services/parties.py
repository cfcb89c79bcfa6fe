"""The people on leases."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from django.db.models import F, QuerySet

from apps.contacts.models import Contact
from apps.firms.models import Firm
from apps.leasing.models import Lease, LeaseParty


def renters_of(lease_ids: Iterable[int]) -> dict[int, list[Contact]]:
    """Return the renters of leases; guarantors are none, and the erased are gone."""
    renters: dict[int, list[Contact]] = defaultdict(list)
    parties = Contact.objects.present().filter(
        lease_parties__lease__in=set(lease_ids), lease_parties__role__in=LeaseParty.RENTERS
    )
    for contact in parties.annotate(of=F("lease_parties__lease")).order_by("lease_parties"):
        renters[contact.of].append(contact)  # type: ignore[attr-defined]  # annotated
    return renters


def renters_at(properties: Iterable[int], *, today: date) -> dict[int, list[Contact]]:
    """Return who lives at properties on a day, each once: renters of leases in force."""
    leases = Lease.objects.living().overlapping(today, today)
    parties = Contact.objects.present().filter(
        lease_parties__role__in=LeaseParty.RENTERS,
        lease_parties__lease__in=leases.filter(unit__property__in=set(properties)),
    )
    homes: dict[int, list[Contact]] = defaultdict(list)
    at = F("lease_parties__lease__unit__property")
    for contact in parties.annotate(at=at).order_by("pk").distinct():
        homes[contact.at].append(contact)  # type: ignore[attr-defined]  # annotated
    return homes


def renters_active_today(*, firm: Firm, today: date) -> QuerySet[Contact]:
    """Return the renters of a firm's leases in force on a day: the group *All Tenants*."""
    living = Lease.objects.living().filter(firm=firm).overlapping(today, today)
    parties = LeaseParty.objects.filter(lease__in=living, role__in=LeaseParty.RENTERS)
    return Contact.objects.filter(pk__in=parties.values("contact"))
