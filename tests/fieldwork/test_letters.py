"""What people are told about work … says what happened, and what they can do."""

from datetime import date
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.utils.safestring import SafeString

from apps.billing.services import grant_credit, void_invoice
from apps.fieldwork import services
from apps.fieldwork.messages.letters import Button, Facts, Heading, Points, letter
from apps.fieldwork.models import ComplianceDocument, ContractorProfile, WorkOrder
from apps.fieldwork.services import Extra, Paper
from apps.firms.models import Firm, User
from apps.notifications.models import Notification
from apps.notifications.types import Words, registry
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    EstimateFactory,
    GatewayAccountFactory,
    MembershipFactory,
    UnitFactory,
    WorkOrderFactory,
)
from tests.fieldwork.working import NOW, TODAY, do

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SITE_URL = "https://night.example"


@pytest.fixture
def anna(firm: Firm) -> User:
    user: User = MembershipFactory(firm=firm, user__username="anna").user
    return user


def work_order(ada: ContractorProfile, **what: Any) -> WorkOrder:
    status = what.setdefault("status", "ASSIGNED")
    order: WorkOrder = WorkOrderFactory(
        firm=ada.firm,
        contractor=None if status == "PENDING" else ada,
        **{"number": "JOB-000123", "title": "Bathroom renovation"} | what,
    )
    return order


def words(kind: str) -> Words:
    """Return the message of all that waits to be told of one kind."""
    waiting = list(Notification.objects.filter(type=kind).order_by("pk"))
    return registry()[kind].write(waiting)


def unwanted(kind: str) -> list[str]:
    """Return why what waits need not be told any more."""
    ask = registry()[kind].still_wanted
    assert ask is not None
    return list(ask(Notification.objects.filter(type=kind)).values())


def said(kind: str) -> tuple[str, str]:
    message = words(kind)
    return message.subject, message.text


# ---- how a letter is written ----------------------------------------------------------------


def test_the_same_stands_in_the_text_and_on_the_page() -> None:
    message = letter(
        "A  subject\nline",
        "One line\nand <another>.",
        "",
        Facts([("Due", "today"), ("Why", "")]),
        Facts([("Nothing", "")]),
        Heading("More"),
        Points(["first", "second"]),
        Points([]),
        Button("Go on", "https://night.example/?a=1&b=2"),
    )
    assert message.subject == "A subject line"
    assert message.text == (
        "One line\nand <another>.\n\nDue: today\n\nMore\n\n  • first\n  • second\n\n"
        "Go on:\nhttps://night.example/?a=1&b=2"
    )
    assert isinstance(message.html, SafeString)
    soup = BeautifulSoup(message.html, "html.parser")
    assert [one.get_text(" ", strip=True) for one in soup.select("p, td, h2, li")] == [
        "One line and <another>.", "Due", "today", "More", "first", "second", "Go on"
    ]  # fmt: skip
    assert [link["href"] for link in soup.select("a")] == ["https://night.example/?a=1&b=2"]
    assert soup.select("another") == []


# ---- contractors: jobs ----------------------------------------------------------------------


def test_a_new_job_says_where_for_whom_until_when_and_for_how_much(
    ada: ContractorProfile,
) -> None:
    home = UnitFactory(
        property__firm=ada.firm,
        property__name="Maple Court",
        property__address="12 Maple Street",
        label="101",
    )
    order = work_order(
        ada,
        status="PENDING",
        unit=home,
        customer=ContactFactory(firm=ada.firm, display_name="Bob Baker"),
        due_date=date(2025, 6, 20),
        scheduled_on=date(2025, 6, 17),
        description="The tap drips.\nThe key is next door.",
    )
    do("assigned", order, contractor=ada)
    assert said("job_assigned") == (
        "New job JOB-000123: Bathroom renovation",
        "Alder Repairs asks you to do this job.\n"
        "\n"
        "Where: Maple Court 101, 12 Maple Street\n"
        "For: Bob Baker\n"
        "On: 17 June 2025\n"
        "Due: 20 June 2025\n"
        "You get: $300.00\n"
        "\n"
        "The tap drips.\nThe key is next door.",
    )


def test_several_new_jobs_come_in_one_letter(ada: ContractorProfile) -> None:
    for number in ("JOB-000123", "JOB-000124"):
        order = work_order(ada, status="PENDING", number=number, contractor_price_minor=0)
        do("assigned", order, contractor=ada)
    assert said("job_assigned") == (
        "2 new jobs from Alder Repairs",
        "Alder Repairs asks you to do these jobs.\n\n"
        "JOB-000123: Bathroom renovation\n\nJOB-000124: Bathroom renovation",
    )


@pytest.mark.parametrize("verb", ["unassigned", "reassigned", "cancelled"])
def test_a_new_job_that_is_somebody_elses_by_now_is_not_announced(
    ada: ContractorProfile, verb: str
) -> None:
    order = work_order(ada, status="PENDING")
    do("assigned", order, contractor=ada)
    assert unwanted("job_assigned") == []
    do(verb, order)
    assert "no longer theirs" in unwanted("job_assigned")


@pytest.mark.parametrize(
    ("status", "verb", "kind", "subject", "text"),
    [
        (
            "ASSIGNED", "unassigned", "job_taken_back", "JOB-000123 is no longer yours",
            "There is nothing more for you to do about “Bathroom renovation”.\n\nWhy: Because",
        ),
        (
            "ASSIGNED", "reassigned", "job_taken_back", "JOB-000123 is no longer yours",
            "There is nothing more for you to do about “Bathroom renovation”.",
        ),
        (
            "ASSIGNED", "cancelled", "job_taken_back", "JOB-000123 is cancelled",
            "There is nothing more for you to do about “Bathroom renovation”.\n\nWhy: Because",
        ),
        (
            "IN_PROGRESS", "held", "job_changed", "JOB-000123 is on hold",
            "Please leave “Bathroom renovation” as it is until you hear from us again.\n\n"
            "Why: Because",
        ),
        (
            "ON_HOLD", "resumed", "job_changed", "JOB-000123 goes on",
            "“Bathroom renovation” is no longer on hold: please go on with it.\n\n"
            "You get: $300.00",
        ),
        (
            "COMPLETED", "reopened", "job_changed", "JOB-000123 is not finished yet",
            "We have looked at “Bathroom renovation”, and something is left to do.\n\n"
            "What: Because",
        ),
        (
            "COMPLETED", "verified", "job_accepted", "JOB-000123 is accepted",
            "Thank you. We have looked at “Bathroom renovation”, and all is well.\n\n"
            "We owe you $300.00 for it; it comes with your next payout.",
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_a_job(
    ada: ContractorProfile, status: str, verb: str, kind: str, subject: str, text: str
) -> None:
    do(verb, work_order(ada, status=status))
    assert said(kind) == (subject, text)


@pytest.mark.parametrize(
    ("before", "after", "subject", "text"),
    [
        (
            date(2025, 6, 12), date(2025, 6, 20), "JOB-000123 is due on 20 June 2025",
            "“Bathroom renovation” has another due date.\n\n"
            "Due: 20 June 2025\nBefore: 12 June 2025",
        ),
        (
            date(2025, 6, 12), None, "JOB-000123 can wait",
            "“Bathroom renovation” has no due date any more.\n\nBefore: 12 June 2025",
        ),
    ],
)  # fmt: skip
def test_another_due_date(
    ada: ContractorProfile, before: date, after: date | None, subject: str, text: str
) -> None:
    order = work_order(ada, due_date=before)
    services.change_due_date(order=order, due_date=after, by=None, now=NOW)
    assert said("job_changed") == (subject, text)


# ---- contractors: estimates, papers, pay ----------------------------------------------------


def test_an_estimate_that_was_accepted(ada: ContractorProfile) -> None:
    estimate = EstimateFactory(work_order=work_order(ada), contractor=ada)
    services.approve_estimate(estimate=estimate, by=None, now=NOW)
    assert said("estimate_decided") == (
        "Your estimate for JOB-000123 is approved",
        "We agree to $450.00 for “Bathroom renovation”.",
    )


def test_an_estimate_that_was_not(ada: ContractorProfile) -> None:
    estimate = EstimateFactory(work_order=work_order(ada), contractor=ada)
    services.reject_estimate(estimate=estimate, by=None, reason="Too much", now=NOW)
    assert said("estimate_decided") == (
        "Your estimate for JOB-000123 was not accepted",
        "We have decided against $450.00 for “Bathroom renovation”.\n\nWhy: Too much",
    )


def paper_of(ada: ContractorProfile, expires_on: date | None) -> ComplianceDocument:
    paper = Paper("Liability insurance", "LI-7", None, expires_on)
    return services.file_document(contractor=ada, paper=paper, by=None, now=NOW)


def test_a_paper_that_was_accepted(ada: ContractorProfile) -> None:
    document = paper_of(ada, date(2026, 6, 30))
    services.approve_document(document=document, by=None, note="", today=TODAY, now=NOW)
    assert said("paper_reviewed") == (
        "Your document is accepted: Liability insurance",
        "Thank you, it is on file. We write to you before it ends.\n\n"
        "Document: Liability insurance\nNumber: LI-7\nValid until: 30 June 2026",
    )


def test_a_paper_that_was_not(ada: ContractorProfile) -> None:
    services.reject_document(
        document=paper_of(ada, None), by=None, reason="It is blurred", now=NOW
    )
    assert said("paper_reviewed") == (
        "Your document was not accepted: Liability insurance",
        "Please send us another one. Without a valid document we may have to give your jobs "
        "to somebody else.\n\n"
        "Document: Liability insurance\nNumber: LI-7\nWhy: It is blurred",
    )


def request_of(ada: ContractorProfile) -> Any:
    order = work_order(ada, status="VERIFIED")
    extras = [Extra("Stand-by in May", 220_000)]
    return services.request_payout(
        contractor=ada, orders=[order], extras=extras, by=None, now=NOW
    )


def test_pay_that_was_approved_and_paid(ada: ContractorProfile) -> None:
    request = services.approve_payout(request=request_of(ada), by=None, today=TODAY, now=NOW)
    lines = "  • JOB-000123: Bathroom renovation, $300.00\n  • Stand-by in May, $2,200.00"
    assert said("payout_decided") == (
        "PAY-REQ-001 is approved",
        f"$2,500.00 will be paid to you soon, for:\n\n{lines}",
    )
    services.record_payout(request=request, reference="TRF-9", by=None, today=TODAY, now=NOW)
    assert said("payout_paid") == (
        "We have paid you $2,500.00",
        f"Request: PAY-REQ-001\nReference: TRF-9\n\nIt is for:\n\n{lines}\n\n"
        "Thank you for your work.",
    )


@pytest.mark.parametrize(
    ("act", "subject"),
    [
        (services.reject_payout, "PAY-REQ-001 was not approved"),
        (services.cancel_payout, "PAY-REQ-001 was withdrawn"),
    ],
)
def test_pay_that_is_not_to_come(ada: ContractorProfile, act: Any, subject: str) -> None:
    act(request=request_of(ada), by=None, reason="Not yet", now=NOW)
    assert said("payout_decided") == (subject, "It was over $2,500.00.\n\nWhy: Not yet")


# ---- the office -----------------------------------------------------------------------------


def test_work_that_is_done_is_to_be_looked_at(ada: ContractorProfile, anna: User) -> None:
    order = work_order(ada, created_by=anna)
    do("completed", order)
    assert said("job_completed") == (
        "Done, please check: JOB-000123: Bathroom renovation (Ada Plumbing)",
        f"Decide about it:\nhttps://night.example/admin/fieldwork/workorder/{order.pk}/change/",
    )
    do("completed", work_order(ada, number="JOB-000124", title="Roof", created_by=anna))
    assert said("job_completed") == (
        "2 jobs are done: please check them",
        "  • JOB-000123: Bathroom renovation (Ada Plumbing)\n"
        "  • JOB-000124: Roof (Ada Plumbing)\n"
        "\n"
        "Look at them:\n"
        "https://night.example/admin/fieldwork/workorder/?status__exact=COMPLETED",
    )
    do("verified", order)
    assert unwanted("job_completed") == ["decided meanwhile"]


def test_an_estimate_is_to_be_answered(ada: ContractorProfile, anna: User) -> None:
    order = work_order(ada, created_by=anna)
    estimate = services.draft_estimate(
        order=order, contractor=ada, amount_minor=45_000, text=""
    )
    services.submit_estimate(estimate=estimate, by=None, now=NOW)
    subject = words("estimate_submitted").subject
    assert subject == (
        "New estimate: $450.00 by Ada Plumbing for JOB-000123: Bathroom renovation"
    )
    services.approve_estimate(estimate=estimate, by=None, now=NOW)
    assert unwanted("estimate_submitted") == ["decided meanwhile"]


def test_a_paper_is_to_be_reviewed(ada: ContractorProfile, anna: User) -> None:
    document = paper_of(ada, None)
    assert words("paper_filed").subject == "Please review: Liability insurance of Ada Plumbing"
    services.reject_document(document=document, by=None, reason="No", now=NOW)
    assert unwanted("paper_filed") == ["decided meanwhile"]


def test_pay_is_to_be_decided_about(ada: ContractorProfile, anna: User) -> None:
    request = request_of(ada)
    subject = words("payout_requested").subject
    assert subject == "Payout request: PAY-REQ-001 of Ada Plumbing, $2,500.00"
    services.reject_payout(request=request, by=None, reason="No", now=NOW)
    assert unwanted("payout_requested") == ["decided meanwhile"]


# ---- customers ------------------------------------------------------------------------------


def invoiced(ada: ContractorProfile, credit: int = 0) -> None:
    bob = ContactFactory(firm=ada.firm, display_name="Bob Baker")
    account = BillingAccountFactory(contact=bob)
    if credit:
        grant_credit(
            account=account,
            amount_minor=credit,
            kind="concession",
            effective_on=date(2025, 6, 1),
        )
    order = work_order(ada, customer=bob)
    services.invoice_work_order(order=order, by=None, today=TODAY, now=NOW)


READY = "Your invoice INV-2025-001 for “Bathroom renovation” is ready.\n\nJob: JOB-000123\n"


def test_an_invoice_says_what_for_how_much_and_until_when(ada: ContractorProfile) -> None:
    invoiced(ada, credit=10_000)
    assert said("work_invoice_issued") == (
        "Invoice INV-2025-001 from Alder Repairs: $500.00",
        f"{READY}Total: $500.00\nStill to pay after your credit: $400.00\nDue: 10 July 2025\n\n"
        "Please pay by 10 July 2025.\n\nThank you.",
    )


def test_an_invoice_can_be_paid_at_once_where_the_firm_takes_cards(
    ada: ContractorProfile,
) -> None:
    GatewayAccountFactory(firm=ada.firm)
    invoiced(ada)
    [link] = BeautifulSoup(words("work_invoice_issued").html, "html.parser").select("a")
    assert link.get_text() == "Pay this invoice"
    assert str(link["href"]).startswith("https://night.example/pay/")


def test_an_invoice_that_credit_covers_asks_for_nothing(ada: ContractorProfile) -> None:
    invoiced(ada, credit=50_000)
    assert words("work_invoice_issued").text == (
        f"{READY}Total: $500.00\nDue: 10 July 2025\n\n"
        "It is paid; there is nothing for you to do.\n\nThank you."
    )


def test_a_void_invoice_is_not_announced(ada: ContractorProfile) -> None:
    invoiced(ada)
    invoice = WorkOrder.objects.get().invoice
    assert invoice is not None
    void_invoice(invoice=invoice, actor=None, reason="Wrong", today=TODAY, now=NOW)
    assert unwanted("work_invoice_issued") == ["void"]
