"""Payout requests in the admin: decided, paid, and found."""

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client

from apps.audit.models import AuditEvent
from apps.fieldwork.models import ContractorProfile, Payout, PayoutRequest
from apps.firms.models import Firm, User
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address
from tests.admin.world import everything, staff_of
from tests.factories import (
    ComplianceRequirementFactory,
    PayoutFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.desk import REQUESTS, cells, tell
from tests.fieldwork.working import NOW, audited

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

LABEL = "fieldwork.payoutrequest"


@pytest.fixture
def asked(ada: ContractorProfile) -> PayoutRequest:
    order = WorkOrderFactory(
        firm=ada.firm, contractor=ada, status="VERIFIED", number="JOB-000123"
    )
    made: PayoutRequest = PayoutRequestFactory(
        contractor=ada, number="PAY-REQ-001", orders=[order]
    )
    return made


def test_a_request_is_approved_and_paid(
    desk: Client, alice: User, asked: PayoutRequest
) -> None:
    theirs = PayoutRequestFactory()
    assert said(press(desk, REQUESTS, "approve", asked, theirs)) == "1 request approved."
    assert tell(desk, REQUESTS, "pay", asked, theirs, reference="TRF-9") == "1 request paid."
    payout = Payout.objects.get()
    assert (payout.request, payout.reference, payout.paid_at) == (asked, "TRF-9", NOW)
    assert audited() == ["payout_approved", "payout_paid"]
    assert {event.actor for event in AuditEvent.objects.all()} == {alice}
    theirs.refresh_from_db()
    assert theirs.status == "PENDING"


@pytest.mark.parametrize(("action", "done"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_a_request_is_let_go_with_a_reason(
    desk: Client, asked: PayoutRequest, action: str, done: str
) -> None:
    before = everything()
    page = press(desk, REQUESTS, action, asked).content.decode()
    assert "PAY-REQ-001, Ada Plumbing: $300.00, Pending" in page
    assert b"Say why." in press(desk, REQUESTS, action, asked, confirmed="yes").content
    assert everything() == before
    assert tell(desk, REQUESTS, action, asked, reason="Too early") == f"1 request {done}."
    assert AuditEvent.objects.get().reason == "Too early"


def test_a_request_is_held_while_a_document_is_missing(
    desk: Client, firm: Firm, asked: PayoutRequest
) -> None:
    ComplianceRequirementFactory(firm=firm)
    assert said(press(desk, REQUESTS, "approve", asked)) == (
        "0 requests approved, 1 skipped: Ada Plumbing cannot be paid: no Liability insurance "
        "on file."
    )
    assert cells(desk, REQUESTS, "number", todo="held") == ["PAY-REQ-001"]
    page = BeautifulSoup(desk.get(address(LABEL, "change", asked.pk)).content, "html.parser")
    [shown] = page.select(".field-documents .readonly")
    assert shown.get_text(strip=True) == "No Liability insurance on file"


def test_the_page_says_what_it_is_for_and_when_it_was_paid(
    desk: Client, asked: PayoutRequest
) -> None:
    where = address(LABEL, "change", asked.pk)

    def shown(inline: str, name: str) -> list[str]:
        page = BeautifulSoup(desk.get(where).content, "html.parser")
        found = page.select(f"#{inline}-group td.field-{name}")
        return [one.get_text(strip=True) for one in found]

    assert shown("lines", "what") == ["JOB-000123: Plumbing repair"]
    assert shown("lines", "amount_minor") == ["$300.00"]
    assert shown("payout", "reference") == []
    PayoutRequest.objects.update(status="PAID")
    PayoutFactory(request=asked, reference="TRF-9")
    assert shown("payout", "reference") == ["TRF-9"]


@pytest.mark.parametrize(
    ("status", "offers"),
    [
        ("PENDING", ["Approve", "Reject", "Cancel"]),
        ("APPROVED", ["Record as paid", "Cancel"]),
        ("PAID", []),
        ("REJECTED", []),
        ("CANCELLED", []),
    ],
)
def test_the_page_offers_what_can_be_done(
    desk: Client, asked: PayoutRequest, status: str, offers: list[str]
) -> None:
    PayoutRequest.objects.update(status=status)
    page = BeautifulSoup(desk.get(address(LABEL, "change", asked.pk)).content, "html.parser")
    assert [one.get_text(strip=True) for one in page.select(".row-buttons .button")] == offers


def test_the_list_finds_what_is_to_be_done(desk: Client, ada: ContractorProfile) -> None:
    for status in PayoutRequest.Status:
        PayoutRequestFactory(contractor=ada, status=status, number=status.value)
    found = {what: cells(desk, REQUESTS, "number", todo=what) for what in ("decide", "pay")}
    assert found == {"decide": ["PENDING"], "pay": ["APPROVED"]}


@pytest.mark.parametrize("term", ["req-001", "ada", "000123"])
def test_a_request_is_found_by_number_contractor_and_work(
    desk: Client, ada: ContractorProfile, asked: PayoutRequest, term: str
) -> None:
    PayoutRequestFactory(contractor__contact__firm=ada.firm, number="PAY-REQ-777")
    assert cells(desk, REQUESTS, "number", q=term) == ["PAY-REQ-001"]


def test_who_may_only_look_presses_nothing(
    client: Client, firm: Firm, asked: PayoutRequest
) -> None:
    user = staff_of(firm, rights=False)
    user.user_permissions.set(Permission.objects.filter(codename="view_payoutrequest"))
    client.force_login(user)
    before = everything()
    for action in ("approve", "reject", "cancel", "pay"):
        tell(client, REQUESTS, action, asked)
    assert everything() == before
