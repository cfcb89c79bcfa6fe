-- What moved in each local month, as the books stand now: an invoice that was voided since
-- was never invoiced, a payment that the bank took back never came in and was not given back.
-- A date written as text is ISO on both databases (psycopg2 sets DateStyle).
SELECT
    CAST(firm_id AS TEXT) || ':' || currency || ':' || month AS id,
    firm_id,
    currency,
    month,
    CAST(SUM(invoiced) AS BIGINT) AS invoiced_minor,
    CAST(SUM(collected) AS BIGINT) AS collected_minor,
    CAST(SUM(refunded) AS BIGINT) AS refunded_minor,
    CAST(SUM(written_off) AS BIGINT) AS written_off_minor
FROM (
    SELECT
        firm_id,
        currency,
        SUBSTR(CAST(issue_date AS TEXT), 1, 7) AS month,
        total_minor AS invoiced,
        0 AS collected,
        0 AS refunded,
        0 AS written_off
    FROM billing_invoice
    WHERE issue_date IS NOT NULL AND status NOT IN ('draft', 'void')

    UNION ALL

    SELECT firm_id, currency, SUBSTR(CAST(effective_on AS TEXT), 1, 7), 0, amount_minor, 0, 0
    FROM billing_payment
    WHERE status IN ('succeeded', 'partially_refunded', 'refunded', 'disputed')

    UNION ALL

    SELECT
        payment.firm_id,
        payment.currency,
        SUBSTR(CAST(refund.effective_on AS TEXT), 1, 7),
        0,
        0,
        refund.amount_minor,
        0
    FROM billing_refund AS refund
    JOIN billing_payment AS payment ON payment.id = refund.payment_id
    WHERE payment.status <> 'failed'

    UNION ALL

    SELECT firm_id, currency, SUBSTR(CAST(closed_on AS TEXT), 1, 7), 0, 0, 0, balance_minor
    FROM billing_invoice
    WHERE status = 'written_off' AND closed_on IS NOT NULL
) AS movements
GROUP BY firm_id, currency, month
