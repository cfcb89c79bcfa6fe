"""What field work needs of other tables' rows."""

from django.db.models import Exists, OuterRef, Q

from apps.core.personal import Cutoff, Need
from apps.documents.models import Document
from apps.fieldwork.models import ComplianceDocument, WorkOrder, WorkOrderNote


def _papers(firm_id: int, cutoff: Cutoff) -> Q:
    """Return the files of papers that are current or wait for review (spec D6)."""
    wanted = (*ComplianceDocument.CURRENT, ComplianceDocument.Status.PENDING_REVIEW)
    papers = ComplianceDocument.objects.filter(file=OuterRef("pk"), status__in=wanted)
    return Q(Exists(papers))


def _open_work(firm_id: int, cutoff: Cutoff) -> Q:
    """Return the files on notes of work that is not done."""
    notes = WorkOrderNote.objects.filter(
        file=OuterRef("pk"), work_order__status__in=WorkOrder.OPEN
    )
    return Q(Exists(notes))


NEEDS = (Need(Document, _papers), Need(Document, _open_work))
