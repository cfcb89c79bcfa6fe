"""What billing has to do when somebody was erased, once that is committed."""

from contextlib import closing

from apps.billing.services.gateways import PROVIDER, payments_for
from apps.billing.services.ledger_views import refresh_materialized_views
from apps.core.problems import Problem
from apps.core.watching import Watcher, watched_by
from apps.webhooks.services import find_account


def delete_gateway_customer(key: str) -> None:
    """Delete a customer at a firm's gateway, with the cards that are stored for it.

    ``key`` is the firm's, a colon and the gateway's name for the customer. Doing it twice is
    harmless. Must not be called inside a transaction; raises ``Problem`` while the firm has
    no usable account, and whatever the gateway answers.
    """
    firm_id, _, customer = key.partition(":")
    account = find_account(firm_id=int(firm_id), provider=PROVIDER)
    if account is None:
        raise Problem(f"Firm {firm_id} has no usable account at Stripe to delete it with.")
    with closing(payments_for(account)) as payments:
        payments.delete_customer(customer)


def refresh_ledger_views(key: str) -> None:
    """Fill the ledger's reports again, so that none shows an earlier state."""
    with watched_by(Watcher()):  # it is a step of another run
        report = refresh_materialized_views()
    if report.failed:
        raise Problem("A report of the ledger could not be refreshed; see the log.")
