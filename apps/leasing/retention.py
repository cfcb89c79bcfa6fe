"""What leases need of other tables' rows."""

from django.db.models import Exists, OuterRef, Q

from apps.core.personal import Cutoff, Need
from apps.documents.models import Document
from apps.leasing.models import Lease

_OVER = (Lease.Status.ENDED, Lease.Status.TERMINATED)


def _agreements(firm_id: int, cutoff: Cutoff) -> Q:
    """Return the documents of leases that are not over, or were not before the cutoff."""
    leases = Lease.objects.filter(agreement=OuterRef("pk"))
    return Q(Exists(leases.exclude(status__in=_OVER, end_date__lt=cutoff.day)))


NEEDS = (Need(Document, _agreements),)
