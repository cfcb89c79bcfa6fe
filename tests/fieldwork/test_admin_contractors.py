"""Contractors and their documents in the admin."""

from datetime import date, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client

from apps.audit.models import AuditEvent
from apps.fieldwork.models import (
    ComplianceDocument,
    ComplianceRequirement,
    ContractorProfile,
    PayoutRequest,
)
from apps.firms.models import Firm, User
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address, filled
from tests.admin.world import everything, staff_of
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    ContactFactory,
    DocumentFactory,
    WorkOrderFactory,
)
from tests.fieldwork.desk import CONTRACTORS, PAPERS, cells, errors, tell
from tests.fieldwork.working import NOW, TODAY, audited, contractor_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

PAPER = "fieldwork.compliancedocument"
YESTERDAY = TODAY - timedelta(days=1)


# ---- contractors ----------------------------------------------------------------------------


def test_a_contact_becomes_a_contractor_of_the_same_firm(desk: Client, firm: Firm) -> None:
    ada = ContactFactory(firm=firm, display_name="Ada Plumbing")
    where = address("fieldwork.contractorprofile", "add")
    desk.post(where, filled(desk, where) | {"contact": ada.pk, "trades": "Plumbing, heating"})
    contractor = ContractorProfile.objects.get()
    assert (contractor.firm, contractor.contact, contractor.trades) == (
        firm, ada, "Plumbing, heating"
    )  # fmt: skip


def test_the_list_says_who_lacks_what(
    desk: Client, firm: Firm, neighbour: Firm, ada: ContractorProfile
) -> None:
    contractor_of(neighbour, "Dan Stranger")
    assert cells(desk, CONTRACTORS, "documents") == ["In order"]
    for doc_type in ("Liability insurance", "Trade licence"):
        ComplianceRequirementFactory(firm=firm, doc_type=doc_type)
    ComplianceDocumentFactory(contractor=ada, expires_on=YESTERDAY)
    text = "Liability insurance expired on 9 June 2025, no Trade licence on file"
    assert cells(desk, CONTRACTORS, "documents") == [text]
    page = desk.get(address("fieldwork.contractorprofile", "change", ada.pk))
    [shown] = BeautifulSoup(page.content, "html.parser").select(".field-documents .readonly")
    assert shown.get_text(strip=True) == text


def test_the_list_finds_who_lacks_something_or_waits(
    desk: Client, firm: Firm, ada: ContractorProfile
) -> None:
    ComplianceRequirementFactory(firm=firm)
    ComplianceDocumentFactory(contractor=ada)
    bob = contractor_of(firm, "Bob Roofing")
    ComplianceDocumentFactory.create_batch(2, contractor=bob, status="PENDING_REVIEW")
    assert cells(desk, CONTRACTORS, "contact", documents="lacking") == ["Bob Roofing"]
    assert cells(desk, CONTRACTORS, "contact", documents="waiting") == ["Bob Roofing"]


def test_pay_is_requested_for_the_work_that_is_chosen(
    desk: Client, alice: User, firm: Firm, ada: ContractorProfile
) -> None:
    done = [
        WorkOrderFactory(firm=firm, contractor=ada, status="VERIFIED", number=f"JOB-{n}")
        for n in (1, 2)
    ]
    WorkOrderFactory(firm=firm, contractor=ada, status="COMPLETED", number="JOB-3")
    page = BeautifulSoup(press(desk, CONTRACTORS, "request_payout", ada).content, "html.parser")
    offered = page.select("#id_orders label")
    assert [one.get_text(strip=True) for one in offered] == [
        "JOB-1: Plumbing repair, $300.00", "JOB-2: Plumbing repair, $300.00"
    ]  # fmt: skip
    assert len(page.select("#id_orders input[checked]")) == 2
    said_back = tell(
        desk, CONTRACTORS, "request_payout", ada,
        orders=[done[0].pk], description="Stand-by in May", amount="120.50",
    )  # fmt: skip
    assert said_back == "PAY-REQ-001 over $420.50 requested."
    request = PayoutRequest.objects.get()
    assert (request.requested_by, request.amount_minor) == (alice, 42_050)
    assert [str(line) for line in request.lines.order_by("pk")] == [
        "JOB-1: Plumbing repair", "Stand-by in May"
    ]  # fmt: skip


def test_work_in_one_currency_is_chosen_to_begin_with(
    desk: Client, firm: Firm, ada: ContractorProfile
) -> None:
    for code in ("USD", "EUR"):
        WorkOrderFactory(firm=firm, contractor=ada, status="VERIFIED", currency=code)
    page = BeautifulSoup(press(desk, CONTRACTORS, "request_payout", ada).content, "html.parser")
    assert len(page.select("#id_orders input")) == 2
    assert len(page.select("#id_orders input[checked]")) == 1


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ({}, "Choose what is to be paid for."),
        ({"amount": "5"}, "Say what it is for, and how much it is."),
        ({"description": "Van"}, "Say what it is for, and how much it is."),
        ({"description": "Van", "amount": "1.005"}, "An amount in USD has at most 2 decimals."),
    ],
)
def test_what_is_to_be_paid_is_said_in_full(
    desk: Client, ada: ContractorProfile, typed: dict[str, str], complaint: str
) -> None:
    answer = press(desk, CONTRACTORS, "request_payout", ada, confirmed="yes", **typed)
    assert complaint in answer.content.decode()
    assert not PayoutRequest.objects.exists()


def test_work_of_others_is_not_chosen(desk: Client, firm: Firm, ada: ContractorProfile) -> None:
    order = WorkOrderFactory(firm=firm, status="VERIFIED")
    answer = press(desk, CONTRACTORS, "request_payout", ada, confirmed="yes", orders=[order.pk])
    assert "is not one of the available choices" in answer.content.decode()


# ---- what the firm asks for -----------------------------------------------------------------


def test_what_is_asked_for_is_on_record(desk: Client, alice: User, firm: Firm) -> None:
    label = "fieldwork.compliancerequirement"
    where = address(label, "add")
    desk.post(where, filled(desk, where) | {"doc_type": " Trade  licence ", "mandatory": "on"})
    requirement = ComplianceRequirement.objects.get()
    assert (requirement.firm, requirement.doc_type) == (firm, "Trade licence")
    answer = desk.post(where, filled(desk, where) | {"doc_type": "TRADE LICENCE"})
    assert "The firm asks for this document already." in errors(answer)
    where = address(label, "change", requirement.pk)
    data = filled(desk, where)
    del data["mandatory"]
    desk.post(where, data)
    desk.post(address(label, "delete", requirement.pk), {"post": "yes"})
    assert audited() == [
        "compliance_requirement_set", "compliance_requirement_set",
        "compliance_requirement_dropped",
    ]  # fmt: skip
    assert {event.actor for event in AuditEvent.objects.all()} == {alice}
    assert not ComplianceRequirement.objects.exists()


# ---- documents ------------------------------------------------------------------------------


def file(desk: Client, ada: ContractorProfile, **typed: Any) -> Any:
    where = address(PAPER, "add") + f"?contractor={ada.pk}"
    data = filled(desk, where) | {"doc_type": "Liability insurance"} | typed
    return desk.post(where, data)


def test_a_document_is_filed_from_the_contractors_page_and_approved_on_its_own(
    desk: Client, alice: User, firm: Firm, ada: ContractorProfile
) -> None:
    page = desk.get(address("fieldwork.contractorprofile", "change", ada.pk))
    [way] = BeautifulSoup(page.content, "html.parser").select(".row-buttons a")
    assert way["href"] == address(PAPER, "add") + f"?contractor={ada.pk}"
    scan = DocumentFactory(firm=firm, title="Scan")
    answer = file(desk, ada, number="LI-7", expires_on="2026-06-30", file=scan.pk)
    document = ComplianceDocument.objects.get()
    assert answer["Location"] == address(PAPER, "change", document.pk)
    assert (document.firm, document.status, document.file) == (firm, "PENDING_REVIEW", scan)
    where = address(PAPER, "press", document.pk)
    answer = desk.post(where, {"action": "approve"}, follow=True)
    assert said(answer).endswith("was added successfully. 1 document approved.")
    document.refresh_from_db()
    assert (document.status, document.reviewed_by, document.reviewed_at) == (
        "VALID", alice, NOW
    )  # fmt: skip
    assert audited() == ["compliance_document_filed", "compliance_document_approved"]


def test_a_document_ends_after_it_begins(desk: Client, ada: ContractorProfile) -> None:
    answer = file(desk, ada, issued_on="2025-06-02", expires_on="2025-06-01")
    assert "It ends before it was issued." in errors(answer)


def test_a_file_of_another_firm_is_not_chosen(desk: Client, ada: ContractorProfile) -> None:
    assert "Select a valid choice" in errors(file(desk, ada, file=DocumentFactory().pk))


def test_documents_are_approved_and_rejected(desk: Client, ada: ContractorProfile) -> None:
    good, ended = (
        ComplianceDocumentFactory(
            contractor=ada, doc_type=doc_type, status="PENDING_REVIEW", expires_on=day
        )
        for doc_type, day in (("Licence", None), ("Insurance", YESTERDAY))
    )
    theirs = ComplianceDocumentFactory(status="PENDING_REVIEW")
    assert said(press(desk, PAPERS, "approve", good, ended, theirs)) == (
        "1 document approved, 1 skipped: Insurance of Ada Plumbing ended on 9 June 2025: "
        "ask for a newer one."
    )
    assert tell(desk, PAPERS, "reject", ended, theirs, reason="Too old") == (
        "1 document rejected."
    )
    states = ComplianceDocument.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["VALID", "REJECTED", "PENDING_REVIEW"]


def test_a_date_is_corrected_and_kept_on_record(desk: Client, ada: ContractorProfile) -> None:
    document = ComplianceDocumentFactory(contractor=ada)
    where = address(PAPER, "change", document.pk)
    data = filled(desk, where) | {"expires_on": "2026-12-31", "status": "EXPIRED"}
    assert desk.post(where, data | {"doc_type": "Other"}).status_code == 302
    document.refresh_from_db()
    assert (document.expires_on, document.status) == (date(2026, 12, 31), "VALID")
    assert document.doc_type == "Liability insurance"
    assert AuditEvent.objects.get().changes == {"expires_on": ["2025-12-31", "2026-12-31"]}


@pytest.mark.parametrize("status", ["REJECTED", "SUPERSEDED"])
def test_what_counts_no_more_is_only_read(
    desk: Client, ada: ContractorProfile, status: str
) -> None:
    document = ComplianceDocumentFactory(contractor=ada, status=status)
    where = address(PAPER, "change", document.pk)
    assert desk.post(where, {"number": "1"}).status_code == 403
    page = BeautifulSoup(desk.get(where).content, "html.parser")
    assert page.select(".row-buttons button") == []


def test_the_list_finds_what_is_to_be_done(desk: Client, ada: ContractorProfile) -> None:
    for doc_type, status, days in (
        ("new", "PENDING_REVIEW", 10), ("ended", "VALID", -1), ("old", "SUPERSEDED", -1),
        ("today", "VALID", 0), ("month", "EXPIRING_SOON", 30), ("later", "VALID", 31),
    ):  # fmt: skip
        ComplianceDocumentFactory(
            contractor=ada,
            doc_type=doc_type,
            status=status,
            expires_on=TODAY + timedelta(days=days),
        )
    found = {
        what: cells(desk, PAPERS, "doc_type", todo=what)
        for what in ("review", "expired", "expiring")
    }
    assert found == {"review": ["new"], "expired": ["ended"], "expiring": ["today", "month"]}
    assert cells(desk, PAPERS, "valid_until", todo="expired") == ["June 9, 2025 (ended)"]


def test_who_may_only_look_presses_nothing(
    client: Client, firm: Firm, ada: ContractorProfile
) -> None:
    user = staff_of(firm, rights=False)
    names = ["view_compliancedocument", "view_contractorprofile"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    document = ComplianceDocumentFactory(contractor=ada, status="PENDING_REVIEW")
    order = WorkOrderFactory(firm=firm, contractor=ada, status="VERIFIED")
    before = everything()
    for action in ("approve", "reject"):
        tell(client, PAPERS, action, document)
    tell(client, CONTRACTORS, "request_payout", ada, orders=[order.pk])
    assert client.get(address(PAPER, "add")).status_code == 403
    assert everything() == before
