"""What happens in the ledger."""

from apps.billing.services.charging import process_recurring_charges
from apps.billing.services.consistency import find_inconsistencies
from apps.billing.services.corrections import (
    LineAddition,
    add_lines,
    close_dispute,
    credit_line,
    open_dispute,
    pause_dunning,
    void_invoice,
    write_off,
)
from apps.billing.services.credits import (
    CreditDraft,
    apply_credit_oldest_first,
    grant_credit,
    grant_credits,
    reverse_credit,
    use_credit,
)
from apps.billing.services.issuing import (
    InvoiceDraft,
    LineDraft,
    issue_draft,
    issue_invoices,
    lock_numbering,
)
from apps.billing.services.ledger_views import refresh_materialized_views
from apps.billing.services.numbering import open_numbering, take_number
from apps.billing.services.overdue import mark_overdue_invoices
from apps.billing.services.payments import (
    fail_payment,
    principal_covered_on,
    record_payment,
    refund_payment,
    reverse_payment,
    settle_payment,
)
from apps.billing.services.reconciling import reconcile_stripe
from apps.billing.services.statuses import mark_overdue

__all__ = [
    "CreditDraft",
    "InvoiceDraft",
    "LineAddition",
    "LineDraft",
    "add_lines",
    "apply_credit_oldest_first",
    "close_dispute",
    "credit_line",
    "fail_payment",
    "find_inconsistencies",
    "grant_credit",
    "grant_credits",
    "issue_draft",
    "issue_invoices",
    "lock_numbering",
    "mark_overdue",
    "mark_overdue_invoices",
    "open_dispute",
    "open_numbering",
    "pause_dunning",
    "principal_covered_on",
    "process_recurring_charges",
    "reconcile_stripe",
    "record_payment",
    "refresh_materialized_views",
    "refund_payment",
    "reverse_credit",
    "reverse_payment",
    "settle_payment",
    "take_number",
    "use_credit",
    "void_invoice",
    "write_off",
]
