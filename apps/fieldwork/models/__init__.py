"""Work orders, who does them, and what they are paid."""

from apps.fieldwork.models.contractors import (
    ComplianceDocument,
    ComplianceDocumentQuerySet,
    ComplianceRequirement,
    ContractorProfile,
    ContractorQuerySet,
)
from apps.fieldwork.models.payouts import (
    Payout,
    PayoutRequest,
    PayoutRequestLine,
    PayoutRequestQuerySet,
)
from apps.fieldwork.models.summaries import SummaryMark
from apps.fieldwork.models.work_orders import (
    Estimate,
    WorkOrder,
    WorkOrderEvent,
    WorkOrderNote,
    WorkOrderQuerySet,
)

__all__ = [
    "ComplianceDocument",
    "ComplianceDocumentQuerySet",
    "ComplianceRequirement",
    "ContractorProfile",
    "ContractorQuerySet",
    "Estimate",
    "Payout",
    "PayoutRequest",
    "PayoutRequestLine",
    "PayoutRequestQuerySet",
    "SummaryMark",
    "WorkOrder",
    "WorkOrderEvent",
    "WorkOrderNote",
    "WorkOrderQuerySet",
]
