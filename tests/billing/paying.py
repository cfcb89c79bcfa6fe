"""A customer with an invoice to pay, and a firm whose Stripe runs on loopback."""

from typing import Any
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

from apps.billing import links
from apps.billing.models import BillingAccount, Invoice
from apps.core.fields import Secrets
from apps.firms.models import Firm
from sandbox import Sandbox
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    GatewayAccountFactory,
    InvoiceFactory,
)

KEY = "sk_test_51NightshiftSecretKey"


def open_gateway(firm: Firm, sandbox: Sandbox, *, key: str = KEY) -> None:
    """Give a firm an account at Stripe."""
    sandbox.stripe.add_account(secret_key=key)
    secrets = Secrets(secret_key=key, webhook_secret="whsec_sandbox")
    GatewayAccountFactory(firm=firm, credentials=secrets)


def an_invoice(sandbox: Sandbox | None = None, **how: Any) -> Invoice:
    """Return an invoice over $1,000.00 of Ada's, whose firm is online with a sandbox."""
    ada = ContactFactory(display_name="Ada Lovelace", email="ada@example.com")
    account = BillingAccountFactory(contact=ada, currency=how.pop("currency", "USD"))
    if sandbox:
        open_gateway(ada.firm, sandbox)
    invoice: Invoice = InvoiceFactory(account=account, **{"total_minor": 100_000, **how})
    return invoice


def pay_path(invoice: Invoice) -> str:
    return urlsplit(links.pay_link(invoice.pk)).path


def card_path(account: BillingAccount) -> str:
    return urlsplit(links.card_link(account.pk)).path


def page(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def heading(response: Any) -> str:
    title = page(response).h1
    assert title
    return " ".join(title.get_text().split())


def words(response: Any) -> str:
    """Return what a page says, in one line."""
    return " ".join(page(response).get_text(" ").split())
