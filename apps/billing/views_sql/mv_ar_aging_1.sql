-- What a firm's customers owe, by how long it has been due.
SELECT
    CAST(firm_id AS TEXT) || ':' || currency || ':' || CAST(bucket AS TEXT) AS id,
    firm_id,
    currency,
    bucket,
    COUNT(*) AS invoices,
    CAST(SUM(open_minor) AS BIGINT) AS amount_minor,
    MIN(as_of) AS as_of
FROM mv_billing_ledger
WHERE bucket IS NOT NULL
GROUP BY firm_id, currency, bucket
