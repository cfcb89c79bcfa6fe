"""What happens in the ledger."""

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
    issue_invoices,
    lock_numbering,
)
from apps.billing.services.payments import (
    fail_payment,
    principal_covered_on,
    record_payment,
    refund_payment,
    reverse_payment,
    settle_payment,
)
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
    "issue_invoices",
    "lock_numbering",
    "mark_overdue",
    "open_dispute",
    "pause_dunning",
    "principal_covered_on",
    "record_payment",
    "refund_payment",
    "reverse_credit",
    "reverse_payment",
    "settle_payment",
    "use_credit",
    "void_invoice",
    "write_off",
]
