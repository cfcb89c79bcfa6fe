"""A firm, a bank and people whose every secret can be recognised.

``MAY_BE`` is the whole list of where one of them may be found.
"""

import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from django.core import mail
from django.test import Client

from apps.billing import links
from apps.billing.models import BillingAccount, Invoice
from apps.firms.models import User
from apps.firms.rights import staff_group
from apps.subscriptions.models import PaymentOrder
from apps.webhooks.models import GatewayAccount
from sandbox import Sandbox
from tests.billing.collecting import Shop
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    InvoiceFactory,
    UserFactory,
)
from tests.journeys.watching import Watch
from tests.subscriptions.subscribing import saved_card, subscriber

KEY = "sk_test_51NightshiftMarkerKey0123456789"
HOOK = "whsec_MarkerOfTheWebhook0123456789"
CLIENT_ID = "client-marker-0123456789"
CLIENT_SECRET = "bank-secret-marker-0123456789"
BASIC = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
TOKEN = "token-marker-0123456789abcdef"
PASSWORD = "Marker-battery-staple-0123"
EMAIL = "marker.payer@example.org"
PHONE = "+15550199987"

# ---- what may be where: this, and nothing else ----------------------------------------------

RAW_BODY = "column webhooks_webhookevent.raw_body"
MAY_BE = {
    # A copy of the statements has what the tables have; it is off unless somebody asks for it.
    "email": ("column contacts_contact.email", f"mail to {EMAIL}", "SQL log", RAW_BODY),
    "phone": ("column contacts_contact.phone", "SQL log"),
    # The links are for their recipients; a page that leads back to itself names itself.
    "pay_token": (f"mail to {EMAIL}", "page behind a link"),
    "card_token": (f"mail to {EMAIL}", "page behind a link"),
    "sign_token": ("mail to ada@example.com", "page behind a link"),
    "unsubscribe_token": ("mail to ", "page behind a link"),
    # What a browser shows; the tables of sessions know it by that.
    "session": ("column django_session.", "column firms_usersession.", "SQL log"),
    # The bank names it in its callbacks, which are kept as they came and shown to nobody.
    "client_id": (RAW_BODY,),
}

NOON = datetime(2025, 1, 10, 17, tzinfo=UTC)
LATER = datetime(2025, 1, 11, 17, tzinfo=UTC)


# ---- who there is ---------------------------------------------------------------------------


def customer(shop: Shop, behaviour: Any = "succeeds") -> BillingAccount:
    account = shop.customer(behaviour)
    contact = account.contact
    contact.email, contact.phone = EMAIL, PHONE
    contact.save()
    return account


def stranger(shop: Shop) -> Invoice:
    """Return an invoice of somebody whom the gateway does not know yet."""
    contact = ContactFactory(firm=shop.firm, email=EMAIL, phone=PHONE)
    invoice: Invoice = InvoiceFactory(account=BillingAccountFactory(contact=contact))
    return invoice


def send_mail(watch: Watch) -> None:
    """Let the outbox be sent, and mark the links that the letters carry."""
    watch.run_once("deliver_notifications")
    for letter in mail.outbox:
        for page, token, card in re.findall(r"/(pay|sign)/([^/\s]+)/(card/)?", letter.body):
            watch.mark(**{f"{'card' if card else page}_token": token})


def tokens_of(watch: Watch, invoice: Invoice) -> tuple[str, str]:
    """Return the tokens of the links to pay an invoice and to store its payer's card."""
    pay = links.pay_link(invoice.pk).split("/")[-2]
    card = links.card_link(invoice.account_id).split("/")[-3]
    watch.mark(pay_token=pay, card_token=card)
    return pay, card


def visit(watch: Watch, method: str, path: str, **how: Any) -> Any:
    """Open a page that is behind a link."""
    client = Client(raise_request_exception=False)
    return watch.read("page behind a link", getattr(client, method)(path, **how))


def press_links(watch: Watch, invoice: Invoice, times: int = 1) -> set[int]:
    """Press both buttons behind a customer's links, and return the answers."""
    pay, card = tokens_of(watch, invoice)
    statuses = set()
    for number in range(times):
        visitor = {"REMOTE_ADDR": f"10.0.0.{number}"}  # or they would come too often
        for path in (f"/pay/{pay}/", f"/pay/{card}/card/"):
            statuses.add(visit(watch, "post", path, **visitor).status_code)
    return statuses


def post_event(watch: Watch, shop: Shop, raw: bytes, headers: dict[str, str]) -> int:
    account = GatewayAccount.objects.get(firm=shop.firm)
    where = f"/webhooks/stripe/{account.key}/"
    answer = Client().post(where, raw, content_type="application/json", headers=headers)
    return int(watch.read("answer of the inbox", answer).status_code)


def subscriber_with_card(bank: Sandbox, slug: str) -> PaymentOrder:
    """Return the order that saved a subscriber's card at the marked platform's account."""
    subscription = subscriber(slug)
    order = saved_card(subscription)
    bank.bog.add_saved_card(
        order.bog_order_id,
        amount="59.00",
        external_id=order.external_order_id,
        client_id=CLIENT_ID,
    )
    return order


def browser(watch: Watch, user: User, **how: Any) -> Client:
    """Return somebody's browser, whose cookie is a secret too."""
    client = Client(**how)
    client.force_login(user)
    watch.mark(session=str(client.session.session_key))
    return client


def superuser(watch: Watch, **how: Any) -> Client:
    return browser(watch, UserFactory(is_staff=True, is_superuser=True), **how)


def owner(watch: Watch, shop: Shop) -> Client:
    user = shop.firm.memberships.get().user
    user.groups.add(staff_group())
    return browser(watch, user)
