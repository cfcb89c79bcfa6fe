"""An office takes a job from the first call to the contractor's pay, in a real Chromium."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.audit.models import AuditEvent
from apps.fieldwork.models import Payout, WorkOrder
from apps.firms.models import Firm
from tests.admin.world import staff_of
from tests.factories import (
    PASSWORD,
    ComplianceRequirementFactory,
    ContactFactory,
    DocumentFactory,
)
from tests.fieldwork.working import contractor_of
from tests.servers.chromium import on_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Clerk:
    """Somebody at the office, who clicks and reads."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def sign_in(self, where: str, name: str) -> None:
        self.page.goto(f"{where}/admin/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()

    def go_to(self, what: str) -> None:
        self.page.locator(".breadcrumbs").get_by_role("link", name="Home").click()
        self.open(what)

    def open(self, what: str) -> None:
        self.page.locator("#content-main").get_by_role("link", name=what, exact=True).click()

    def complete(self, field: str, typed: str) -> None:
        """Type into a field that completes, and take what it offers."""
        box = self.page.locator(f".field-{field} .select2-selection")
        box.click()
        self.page.locator(".select2-search__field").fill(typed)
        self.page.locator(".select2-results__option", has_text=typed).first.click()

    def press(self, button: str) -> None:
        buttons = self.page.locator(".row-buttons")
        buttons.get_by_role("button", name=button, exact=True).click()

    def confirm(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def is_told(self, text: str) -> None:
        expect(self.page.locator(".messagelist")).to_contain_text(text)

    def reads(self, field: str, text: str) -> None:
        expect(self.page.locator(f".field-{field} .readonly").first).to_have_text(text)


@on_a_phone
def test_from_the_first_call_to_the_contractors_pay(
    page: Page, live_server: Any, firm: Firm
) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    ContactFactory(firm=firm, display_name="Harriet Holt")
    DocumentFactory(firm=firm, title="Scan of the policy")
    contractor_of(firm)
    ComplianceRequirementFactory(firm=firm)
    clerk = Clerk(page)
    clerk.sign_in(live_server.url, staff_of(firm).username)

    # A customer calls.
    clerk.open("Work orders")
    page.get_by_role("link", name="Add work order").click()
    page.get_by_label("Title").fill("Bathroom renovation")
    page.get_by_label("Description").fill("New tiles and a walk-in shower.")
    clerk.complete("customer", "Harriet Holt")
    page.get_by_label("Due").fill("2030-07-01")
    page.get_by_label("Customer price").fill("7800")
    page.get_by_label("Contractor price").fill("5600")
    page.get_by_role("button", name="Save", exact=True).click()
    clerk.is_told("JOB-000001: Bathroom renovation")
    clerk.reads("status", "Pending")

    # Nobody works without insurance.
    clerk.press("Give to a contractor")
    page.get_by_label("Contractor").select_option(
        label="Ada Plumbing, Plumbing (no Liability insurance on file)"
    )
    clerk.confirm("Give")
    clerk.is_told("Ada Plumbing cannot be given work: no Liability insurance on file.")
    clerk.go_to("Contractors")
    page.get_by_role("link", name="Ada Plumbing").click()
    clerk.reads("documents", "No Liability insurance on file")
    page.get_by_role("link", name="File a document").click()
    page.locator("[name=doc_type]").fill("Liability insurance")
    page.get_by_label("Number").fill("LI-2030-7")
    page.get_by_label("Valid until").fill("2030-12-31")
    clerk.complete("file", "Scan of the policy")
    page.get_by_role("button", name="Save", exact=True).click()
    clerk.reads("status", "Waiting for review")
    clerk.press("Approve")
    clerk.is_told("1 document approved.")
    clerk.reads("status", "Valid")

    # The work is done, looked at and invoiced.
    clerk.go_to("Work orders")
    page.locator("#searchbar").fill("bathroom")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="JOB-000001").click()
    clerk.press("Give to a contractor")
    page.get_by_label("Contractor").select_option(label="Ada Plumbing, Plumbing")
    clerk.confirm("Give")
    clerk.is_told("1 work order given to Ada Plumbing.")
    clerk.press("Add a note")
    page.get_by_label("Note").fill("The key is next door.")
    clerk.confirm("Add the note")
    expect(page.locator("#notes-group td.field-text")).to_have_text("The key is next door.")
    for button, state in (
        ("Start", "In progress"),
        ("Complete", "Completed"),
        ("Verify", "Verified"),
    ):
        clerk.press(button)
        clerk.reads("status", state)
    clerk.press("Invoice the customer")
    clerk.is_told("1 work order invoiced.")
    history = page.locator("#events-group td.field-kind")
    expect(history).to_have_text(
        ["Invoiced", "Verified", "Completed", "Started", "Assigned", "Created"]
    )

    # The contractor is paid.
    clerk.press("Request the payout")
    clerk.is_told("1 payout requested.")
    clerk.go_to("Payout requests")
    page.get_by_role("link", name="PAY-REQ-001").click()
    clerk.reads("amount_minor", "$5,600.00")
    clerk.press("Approve")
    clerk.reads("status", "Approved")
    clerk.press("Record as paid")
    page.get_by_label("Reference").fill("TRF-20871")
    clerk.confirm("They are paid")
    clerk.reads("status", "Paid")
    expect(page.locator("#payout-group td.field-reference")).to_have_text("TRF-20871")

    assert WorkOrder.objects.ready_for_payout().count() == 0
    assert Payout.objects.get().amount_minor == 560_000
    assert AuditEvent.objects.filter(actor=None).count() == 0
    assert complaints == []
