"""An office asks for files, somebody sends them from a phone, in a real Chromium."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from apps.documents.models import FileRequest, UploadLink
from apps.firms.models import User
from tests.admin.world import staff_of
from tests.documents.filing import PDF
from tests.documents.requesting import address
from tests.factories import PASSWORD, ContactFactory, FirmFactory
from tests.servers.chromium import on_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def clerk(transactional_db: None) -> User:
    cache.clear()
    firm = FirmFactory(name="Acme Consulting")
    ContactFactory(firm=firm, display_name="Harbor Dental", email="office@harbor.example")
    return staff_of(firm)


@pytest.fixture
def visitor(browser: Browser, page: Page) -> Any:
    """The person who is asked: the same window, without a script."""
    context = browser.new_context(viewport=page.viewport_size, java_script_enabled=False)
    yield context.new_page()
    context.close()


def a_file(name: str, content: bytes = PDF) -> dict[str, Any]:
    return {"name": name, "mimeType": "application/pdf", "buffer": content}


@on_a_phone
def test_asks_receives_refuses_and_receives_again(
    page: Page, visitor: Page, live_server: Any, clerk: User, folder: Path
) -> None:
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_server.url}/admin/documents/filerequest/add/")
    page.get_by_label("Username").fill(clerk.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator(".field-contact .select2-selection").click()
    page.get_by_role("option", name="Harbor Dental").click()
    page.get_by_label("Title").fill("Figures for the second quarter")
    page.get_by_label("Files").fill("Revenue by month\nPayroll summary")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list .field-status")).to_have_text("Nothing has come")

    visitor.goto(live_server.url + address())
    visitor.get_by_label("Revenue by month").set_input_files(
        [a_file("April.pdf"), a_file("May.pdf", PDF + b"%")]
    )
    visitor.get_by_label("Payroll summary").set_input_files(a_file("x.exe", b"MZ\x90\0"))
    visitor.get_by_role("button", name="Send the files").click()
    expect(visitor.get_by_text("April.pdf")).to_be_visible()
    expect(visitor.locator(".errorlist")).to_contain_text("“x.exe”: Files of this kind are")
    assert not _overflows(visitor)
    visitor.get_by_label("Payroll summary").set_input_files(a_file("Payroll.pdf", PDF + b"%%"))
    visitor.get_by_role("button", name="Send the files").click()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(
        "Thank you, everything has come"
    )

    page.reload()
    expect(page.locator("#result_list .field-files")).to_have_text("3, 3 to look at")
    page.get_by_role("link", name="Figures for the second quarter").click()
    page.get_by_role("link", name="Look at the files").click()
    page.get_by_role("row").filter(has_text="May.pdf").get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Refuse")
    page.get_by_role("button", name="Go").click()
    page.get_by_label("Reason").fill("Page 2 is missing")
    page.get_by_role("button", name="Refuse files").click()
    expect(page.locator(".messagelist")).to_have_text("1 file refused.")

    for link in UploadLink.objects.order_by("pk"):  # the old one works, and that of the news
        visitor.goto(live_server.url + address(link))
        expect(visitor.locator(".refused")).to_contain_text("Not accepted: Page 2 is missing")
    visitor.get_by_label("Revenue by month").set_input_files(a_file("May.pdf", PDF + b"%%%"))
    visitor.get_by_role("button", name="Send the files").click()
    expect(visitor.get_by_role("status")).to_have_text("1 file stored.")
    assert FileRequest.objects.get().status == "fulfilled"
    assert complaints == []


def _overflows(page: Page) -> bool:
    """Whether a page is wider than its window; asked of the browser, not of a script."""
    box = page.locator("main").bounding_box()
    assert box
    assert page.viewport_size
    return box["x"] + box["width"] > page.viewport_size["width"]
