-- One row per invoice. A bucket has only what is owed; Bucket in models/ledger_views.py
-- names them. How old a debt is, is counted from the firm's own calendar (LedgerDay).
SELECT
    invoice.id AS invoice_id,
    invoice.firm_id AS firm_id,
    invoice.account_id AS account_id,
    invoice.number AS number,
    invoice.kind AS kind,
    invoice.status AS status,
    invoice.currency AS currency,
    invoice.issue_date AS issue_date,
    invoice.due_date AS due_date,
    invoice.closed_on AS closed_on,
    invoice.total_minor AS total_minor,
    invoice.late_fees_minor AS late_fees_minor,
    invoice.paid_minor AS paid_minor,
    invoice.credited_minor AS credited_minor,
    CASE
        WHEN invoice.status IN ('sent', 'partial', 'overdue') THEN invoice.balance_minor
        ELSE 0
    END AS open_minor,
    CASE
        WHEN invoice.status NOT IN ('sent', 'partial', 'overdue') THEN NULL
        WHEN invoice.balance_minor = 0 THEN NULL
        WHEN invoice.due_date IS NULL OR invoice.due_date >= day.today THEN 0
        WHEN invoice.due_date >= day.thirty_ago THEN 1
        WHEN invoice.due_date >= day.sixty_ago THEN 2
        WHEN invoice.due_date >= day.ninety_ago THEN 3
        ELSE 4
    END AS bucket,
    day.today AS as_of
FROM billing_invoice AS invoice
JOIN billing_ledgerday AS day ON day.firm_id = invoice.firm_id
