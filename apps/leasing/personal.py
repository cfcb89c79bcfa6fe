"""What leases and what follows from them hold about people."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q

from apps.core.personal import Basis, Blocker, Fate, Holding, Holds, Of, People, by_contact
from apps.leasing.models import (
    JurisdictionCap,
    LateFeeAssessment,
    Lease,
    LeaseCharge,
    LeaseParty,
    Property,
    PropertyBillingConfig,
    RentPeriod,
    RentStep,
    RewardConfiguration,
    RewardGrant,
    Unit,
)

_LEASE = "leasing.lease"
_BEGUN = (*Lease.LIVING, Lease.Status.ENDED, Lease.Status.TERMINATED)


def _leases_of(path: str) -> Of:
    """Return what finds rows by a lease that somebody is on, or pays for."""

    def of(people: People) -> Q:
        on_it = LeaseParty.objects.filter(contact__in=people.contacts).values("lease")
        pays = Lease.objects.filter(account__contact__in=people.contacts).values("pk")
        return Q(**{f"{path}__in": on_it}) | Q(**{f"{path}__in": pays})

    return of


def _of_others(path: str) -> Of:
    """Return what finds rows by a lease on which somebody is who was not erased."""

    def of(people: People) -> Q:
        left = LeaseParty.objects.exclude(contact__in=people.contacts)
        return Q(**{f"{path}__in": left.filter(contact__erased_at=None).values("lease")})

    return of


def held_with_leases(holds: Holds) -> Holds:
    """Hold along with a lease whoever is on it or pays for it, and its agreement."""
    leases = holds.of(_LEASE)
    if not leases:
        return holds
    parties = LeaseParty.objects.filter(lease__in=leases).values_list("contact", flat=True)
    payers = Lease.objects.filter(pk__in=leases).values_list("account__contact", flat=True)
    texts = Lease.objects.filter(pk__in=leases, agreement__isnull=False)
    return holds.also("contacts.contact", [*parties, *payers]).also(
        "documents.document", texts.values_list("agreement", flat=True)
    )


# What becomes of the parts of a lease.
_LIKE_THE_LEASE: dict[str, Any] = {
    "fate": Fate.RETAIN,
    "since": "lease__end_date",
    "retains": Q(lease__status__in=_BEGUN),
    "held": lambda holds: Q(lease__in=holds.of(_LEASE)),
}

HOLDINGS = (
    # ---- what follows from a lease ------------------------------------------------------
    Holding(
        LateFeeAssessment,
        category="late fees",
        of=by_contact("invoice__account__contact"),
        basis=Basis.DERIVED,
        exports=(
            *("invoice__number", "assessed_on", "base_minor", "rate", "fee_minor"),
            *("cap_applied", "state"),
        ),
        currency="invoice__currency",
        fate=Fate.RETAIN,
        since="assessed_on",
        held=lambda holds: Q(invoice__rent_period__lease__in=holds.of(_LEASE)),
        plain=("assessment_key", "config"),
    ),
    Holding(
        RewardGrant,
        category="rewards",
        of=by_contact("contact"),
        basis=Basis.DERIVED,
        exports=(
            *("configuration__kind", "amount_minor", "currency", "covers_from"),
            *("covers_to", "state", "created_at"),
        ),
        fate=Fate.RETAIN,
        since="covers_to",
        plain=("qualifying_key",),
    ),
    Holding(
        RentPeriod,
        category="leases",
        of=_leases_of("lease"),
        others=_of_others("lease"),
        exports=("lease", "period_start", "period_end", "invoice__number", "outcome"),
        fate=Fate.RETAIN,
        since="period_end",
        held=lambda holds: Q(lease__in=holds.of(_LEASE)),
    ),
    # ---- leases -------------------------------------------------------------------------
    Holding(
        RentStep,
        category="leases",
        of=_leases_of("lease"),
        others=_of_others("lease"),
        exports=("lease", "effective_from", "rent_minor"),
        currency="lease__currency",
        **_LIKE_THE_LEASE,
    ),
    Holding(
        LeaseCharge,
        category="leases",
        of=_leases_of("lease"),
        others=_of_others("lease"),
        exports=("lease", "kind", "amount_minor", "starts_on", "ends_on", "prorated"),
        currency="lease__currency",
        **_LIKE_THE_LEASE,
    ),
    Holding(
        LeaseParty,
        category="leases",
        of=by_contact("contact"),
        exports=("lease", "role", "created_at"),
        **_LIKE_THE_LEASE,
    ),
    Holding(
        Lease,
        category="leases",
        of=_leases_of("pk"),
        others=_of_others("pk"),
        exports=(
            *("id", "unit__property__name", "unit__property__address", "unit__label"),
            *("status", "start_date", "end_date", "rent_minor", "currency", "due_day"),
            *("proration", "agreement__title", "created_at"),
        ),
        fate=Fate.RETAIN,
        since="end_date",
        retains=Q(status__in=_BEGUN),
        held=lambda holds: Q(pk__in=holds.of(_LEASE)),
    ),
    # ---- houses and rules: nobody's -----------------------------------------------------
    Holding(PropertyBillingConfig, plain=("remind_days_before", "remind_days_after")),
    Holding(RewardConfiguration, plain=("currency",)),
    Holding(Unit, plain=("label",)),
    Holding(Property, plain=("name", "address", "timezone", "currency")),
    Holding(JurisdictionCap, firm="", told=("source",), plain=("code", "currency")),
)


# ---- what has to be settled before somebody can be erased -------------------------------


def living_leases(people: People, firm_id: int) -> Iterator[str]:
    """Yield the leases in force that somebody is on or pays for."""
    leases = Lease.objects.living().filter(_leases_of("pk")(people), firm=firm_id)
    for lease in leases.select_related("unit").order_by("pk"):
        yield f"{lease} is {lease.get_status_display().lower()}"


BLOCKERS: tuple[Blocker, ...] = (living_leases,)
