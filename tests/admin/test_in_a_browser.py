"""A bookkeeper signs in, finds an invoice and sees what it is for, in a real Chromium."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.billing.models import Invoice
from tests.admin.world import OURS, THEIRS, furnish, staff_of
from tests.factories import PASSWORD
from tests.servers.chromium import on_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@on_a_phone
def test_signs_in_finds_an_invoice_and_sees_its_lines(page: Page, live_server: Any) -> None:
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    clerk = staff_of(furnish(OURS))
    furnish(THEIRS)
    page.goto(f"{live_server.url}/admin/")
    page.get_by_label("Username").fill(clerk.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#site-name")).to_have_text("Nightshift")
    expect(page.locator("#content-main caption").first).to_have_text("Fieldwork")

    page.locator("#content-main").get_by_role("link", name="Invoices", exact=True).click()
    page.locator("#searchbar").fill("renter")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="ALDER-000001").click()
    expect(page.locator("#lines-group td.field-description")).to_have_text("Rent")
    expect(page.locator("#lines-group td.field-amount_minor")).to_have_text("$1,500.00")

    page.go_back()
    page.get_by_role("checkbox", name="Select this object").first.check()
    page.locator("select[name=action]").select_option(label="Void")
    page.get_by_role("button", name="Go").click()
    page.get_by_label("Reason").fill("Billed twice")
    page.get_by_role("button", name="Void invoices").click()
    expect(page.locator(".messagelist")).to_have_text("1 invoice voided.")
    statuses = dict(Invoice.objects.values_list("number", "status"))
    assert statuses == {"ALDER-000001": "void", "BIRCH-000001": "sent"}
    assert complaints == []
