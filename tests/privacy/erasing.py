"""Bob, who wants to be erased, what a firm has of him, and Alice, who stays."""

import io
from datetime import date
from typing import Any

from django.core.management import CommandError, call_command

from apps.billing.models import AccountCredit, Invoice, PaymentAllocation
from apps.contacts.models import Contact
from apps.firms.models import Firm, MembershipRole, Role, User
from apps.privacy.models import ErasureRequest
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    ErasureRequestFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipFactory,
    NotificationFactory,
    PaymentFactory,
    PaymentMethodFactory,
    UserFactory,
)

EMAIL, PHONE, NAME = "bob@bobmail.example", "+15551239876", "Bob Marley"
NOW = "2025-02-10T12:00:00Z"
LATER = "2025-02-10T13:00:00Z"


def a_firm(name: str = "Alder", **how: Any) -> Firm:
    """Return a firm that somebody else than Bob owns."""
    firm = FirmFactory(name=name, slug=name.lower(), **how)
    owner = MembershipFactory(firm=firm, user=UserFactory(username=f"{name.lower()}-owner"))
    MembershipRole.objects.create(firm=firm, membership=owner, role=Role.OWNER)
    return firm


def bob_of(firm: Firm, **how: Any) -> Contact:
    """Return Bob as a firm's contact, without anything of his yet."""
    first, last = NAME.split()
    own = {"display_name": NAME, "first_name": first, "last_name": last}
    own |= {"email": EMAIL, "phone": PHONE}
    contact: Contact = ContactFactory(firm=firm, **own | how)
    return contact


def account_of_bob(**how: Any) -> User:
    first, last = NAME.split()
    user: User = UserFactory(
        **{"username": "bob_marley", "email": EMAIL, "first_name": first, "last_name": last}
        | how
    )
    return user


def paid_invoice(contact: Contact, *, on: date = date(2024, 3, 1), **how: Any) -> Invoice:
    """Return an invoice over $1,500.00 that is paid, with its payment."""
    account = contact.billing_accounts.first() or BillingAccountFactory(contact=contact)
    invoice: Invoice = InvoiceFactory(
        account=account, status="paid", paid_minor=150_000, issue_date=on, due_date=on, **how
    )
    payment = PaymentFactory(account=account, effective_on=on)
    PaymentAllocation.objects.create(
        firm=contact.firm, payment=payment, invoice=invoice, amount_minor=150_000
    )
    return invoice


def furnish(contact: Contact, *, customer: str = "") -> Invoice:
    """Give somebody a paid invoice, two messages, a card and used credit.

    ``customer`` is what the firm's gateway calls them: whoever is known there has to be
    deleted there.
    """
    invoice = paid_invoice(contact)
    for number in range(2):
        NotificationFactory(
            recipient_contact=contact, context={"dear": contact.display_name, "n": number}
        )
    account = invoice.account
    account.gateway_customer = customer
    account.save()
    PaymentMethodFactory(account=account, provider_ref=f"pm_{contact.pk}")
    for minor in (500, -500):
        AccountCredit.objects.create(
            firm=contact.firm,
            account=account,
            amount_minor=minor,
            currency="USD",
            kind="concession" if minor > 0 else "applied",
            effective_on=date(2024, 3, 1),
            note=f"Gift for {contact.display_name}",
        )
    return invoice


def request_of(contact: Contact | None = None, **how: Any) -> ErasureRequest:
    """Return an approved request to a contact's firm."""
    if contact is not None:
        how = {"firm": contact.firm, "contact": contact, "user": None} | how
    request: ErasureRequest = ErasureRequestFactory(**how)
    return request


def execute(request: ErasureRequest | None = None, **options: Any) -> str:
    """Run the command; what it said, and with which words it failed."""
    out = io.StringIO()
    if request is not None:
        options["request_id"] = request.pk
    try:
        call_command("execute_erasure_request", stdout=out, **options)
    except CommandError as error:
        out.write(f"CommandError: {error}\n")
    if request is not None:
        request.refresh_from_db()
    return out.getvalue()
