"""What privacy needs of other tables' rows."""

from django.db.models import CharField, Q
from django.db.models.functions import Cast

from apps.audit.models import AuditEvent
from apps.core.personal import Cutoff, Need
from apps.privacy.models import ErasureRequest


def _open_requests(firm_id: int, cutoff: Cutoff) -> Q:
    """Return the events of erasure requests that are still open."""
    open_ = ErasureRequest.objects.filter(closed_at=None)
    return Q(
        object_type=ErasureRequest._meta.label_lower,
        object_id__in=open_.annotate(text=Cast("pk", CharField())).values("text"),
    )


NEEDS = (Need(AuditEvent, _open_requests),)
