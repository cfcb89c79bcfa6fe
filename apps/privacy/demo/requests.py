"""Acme's requests to be erased: approved, received, and one that a debt blocks (spec E3.1)."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q

from apps.billing.models import BillingAccount, Invoice, InvoiceLine, Payment
from apps.billing.services import InvoiceDraft, LineDraft, issue_invoices, record_payment
from apps.contacts.models import Contact
from apps.core import days
from apps.core.demo import World
from apps.firms.demo import demo_users
from apps.firms.models import Firm, User
from apps.notifications.messages import GENERAL_MESSAGE
from apps.notifications.services import Draft, notify
from apps.privacy.models import (
    ErasureAction,
    ErasurePart,
    ErasureRequest,
    ErasureStep,
)
from apps.privacy.models.law import Law
from apps.privacy.services import approve_request, receive_request, verify_request

NET_DAYS = 30


def seed(world: World) -> None:
    """Make the people who ask, what Acme has of them, and their requests."""
    facts = world.fixture("privacy")
    firm = Firm.objects.get(slug=facts["firm"])
    for entry in facts["erasure_requests"]:
        _ask_to_be_erased(world, firm, entry)
    world.count("erasure requests", len(facts["erasure_requests"]))


def clear() -> None:
    """Delete what belongs to demo requests and names no firm, and requests to the platform."""
    users = demo_users().values("pk")
    theirs = Q(firm__is_demo=True) | Q(firm=None, user__in=users)
    requests = ErasureRequest.objects.filter(theirs).values("pk")
    for model in (ErasureAction, ErasurePart, ErasureStep):
        model._base_manager.filter(request__in=requests).delete()
    ErasureRequest.objects.filter(firm=None, user__in=users).delete()


# ---- inside -------------------------------------------------------------------------------


def _ask_to_be_erased(world: World, firm: Firm, facts: dict[str, Any]) -> None:
    """Let somebody ask, and two people of the firm do what they do with it."""
    clerk, owner = (User.objects.get(username=name) for name in ("acme-admin", "acme-owner"))
    today = firm.today(world.clock)
    contact = _who_asks(world, firm, facts)
    if facts.get("told_owner"):
        _tell(firm, owner, facts["told_owner"])
    request = receive_request(
        user=None,
        contact=contact,
        firm=firm,
        law=Law.GDPR,
        received_on=today - timedelta(days=facts["received_days_ago"]),
        by=clerk,
    )
    if facts["status"] != ErasureRequest.Status.RECEIVED:
        now = world.clock.now
        how = "Answered from the address we know"
        verify_request(request=request, how=how, by=clerk, now=now - timedelta(days=6))
        request.refresh_from_db()
        approve_request(request=request, by=owner, now=now - timedelta(days=5))


def _who_asks(world: World, firm: Firm, facts: dict[str, Any]) -> Contact:
    if "contact" in facts:
        return Contact.objects.get(firm=firm, display_name=facts["contact"])
    contact = Contact.objects.create(firm=firm, **facts["person"])
    if "invoice" in facts:
        _was_billed(world, contact, facts["invoice"])
    return contact


def _was_billed(world: World, contact: Contact, facts: dict[str, Any]) -> None:
    """Make an invoice of last year that was paid: the law has it kept."""
    firm = contact.firm
    account = BillingAccount.objects.create(firm=firm, contact=contact, currency=firm.currency)
    today = firm.today(world.clock)
    issued = today - timedelta(days=facts["issued_days_ago"])
    line = LineDraft(InvoiceLine.Kind.OTHER, facts["what"], facts["amount_minor"])
    draft = InvoiceDraft(
        account=account,
        kind=Invoice.Kind.MANUAL,
        lines=[line],
        issue_date=issued,
        due_date=issued + timedelta(days=NET_DAYS),
    )
    [invoice] = issue_invoices([draft], now=_morning(firm, issued))
    paid = today - timedelta(days=facts["paid_days_ago"])
    record_payment(
        account=account,
        amount_minor=facts["amount_minor"],
        method=Payment.Method.BANK,
        effective_on=paid,
        now=_morning(firm, paid),
        today=paid,
        invoices=[invoice],
    )


def _tell(firm: Firm, owner: User, text: str) -> None:
    """Let somebody speak of a person in the data of another."""
    context = {"subject": "A request about personal data", "text": text}
    key = f"demo-request:{firm.pk}"
    notify([Draft(GENERAL_MESSAGE, firm.pk, owner, key, context=context)])


def _morning(firm: Firm, day: date) -> datetime:
    return days.local_midnight(day, firm.timezone)
