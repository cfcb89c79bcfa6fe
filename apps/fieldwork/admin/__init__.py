"""What the office sees of work, contractors and pay, and what it presses."""

from apps.fieldwork.admin.contractors import (
    ComplianceDocumentAdmin,
    ComplianceRequirementAdmin,
    ContractorProfileAdmin,
)
from apps.fieldwork.admin.estimates import EstimateAdmin
from apps.fieldwork.admin.payouts import PayoutAdmin, PayoutRequestAdmin
from apps.fieldwork.admin.work_orders import WorkOrderAdmin

__all__ = [
    "ComplianceDocumentAdmin",
    "ComplianceRequirementAdmin",
    "ContractorProfileAdmin",
    "EstimateAdmin",
    "PayoutAdmin",
    "PayoutRequestAdmin",
    "WorkOrderAdmin",
]
