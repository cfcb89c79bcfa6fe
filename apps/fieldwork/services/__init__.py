"""What happens to work orders, to contractors' papers and to their pay."""

from apps.fieldwork.services.compliance import (
    Gap,
    Paper,
    approve_document,
    check_cleared,
    correct_document,
    drop_requirement,
    file_document,
    gaps_of,
    is_cleared,
    reject_document,
    require_document,
)
from apps.fieldwork.services.compliance_expiry import check_compliance_expiry
from apps.fieldwork.services.daily_summary import send_daily_summary
from apps.fieldwork.services.estimates import (
    approve_estimate,
    draft_estimate,
    reject_estimate,
    submit_estimate,
)
from apps.fieldwork.services.invoicing import invoice_work_order
from apps.fieldwork.services.payout_reminders import send_payout_reminders
from apps.fieldwork.services.payouts import (
    Extra,
    approve_payout,
    cancel_payout,
    record_payout,
    reject_payout,
    request_payout,
)
from apps.fieldwork.services.pending_jobs import send_pending_jobs_reminder
from apps.fieldwork.services.progress import (
    assign_work_order,
    cancel_work_order,
    complete_work_order,
    hold_work_order,
    reassign_work_order,
    reopen_work_order,
    resume_work_order,
    start_work_order,
    unassign_work_order,
    verify_work_order,
)
from apps.fieldwork.services.stale_jobs import auto_close_stale_jobs
from apps.fieldwork.services.transitions import MOVES, allowed
from apps.fieldwork.services.work_orders import (
    Wanted,
    add_note,
    change_details,
    change_due_date,
    create_work_order,
    fixed_prices,
)

__all__ = [
    "MOVES",
    "Extra",
    "Gap",
    "Paper",
    "Wanted",
    "add_note",
    "allowed",
    "approve_document",
    "approve_estimate",
    "approve_payout",
    "assign_work_order",
    "auto_close_stale_jobs",
    "cancel_payout",
    "cancel_work_order",
    "change_details",
    "change_due_date",
    "check_cleared",
    "check_compliance_expiry",
    "complete_work_order",
    "correct_document",
    "create_work_order",
    "draft_estimate",
    "drop_requirement",
    "file_document",
    "fixed_prices",
    "gaps_of",
    "hold_work_order",
    "invoice_work_order",
    "is_cleared",
    "reassign_work_order",
    "record_payout",
    "reject_document",
    "reject_estimate",
    "reject_payout",
    "reopen_work_order",
    "request_payout",
    "require_document",
    "resume_work_order",
    "send_daily_summary",
    "send_payout_reminders",
    "send_pending_jobs_reminder",
    "start_work_order",
    "submit_estimate",
    "unassign_work_order",
    "verify_work_order",
]
