"""Two owners erase a customer who asked for it, from the letter to the end, in Chromium."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.contacts.models import Contact
from apps.privacy.models import ErasureRequest
from tests.factories import PASSWORD
from tests.privacy.erasing import EMAIL, NAME, a_firm, bob_of, furnish
from tests.privacy.test_erasure_admin import owner_of, run_what_is_queued
from tests.servers.chromium import on_a_phone

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def bob(transactional_db: None) -> Contact:
    firm = a_firm()
    for name in ("alice", "carol"):
        owner_of(firm, name)
    bob = bob_of(firm)
    furnish(bob)
    return bob


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def press(page: Page, action: str) -> None:
    """Tick the only request on the list, and choose what is to happen to it."""
    page.locator("#result_list").get_by_role("checkbox").first.check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Go").click()


@on_a_phone
def test_from_the_letter_to_the_end(page: Page, live_server: Any, bob: Contact) -> None:
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    requests = f"{live_server.url}/admin/privacy/erasurerequest/"

    sign_in(page, f"{requests}add/", "alice")
    page.locator(".field-contact .select2-selection").click()
    page.locator(".select2-search__field").fill("marley")
    page.get_by_role("option", name=NAME).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list .field-status")).to_have_text("Received")
    press(page, "Confirm who asks")
    page.get_by_label("How").fill("Called back on the number we had")
    page.get_by_role("button", name="Confirm who asks").click()
    expect(page.locator("#result_list .field-status")).to_have_text("Verified")
    press(page, "Approve")
    expect(page.locator(".messagelist")).to_contain_text(
        "Whoever confirmed the identity cannot approve it, too."
    )

    page.context.clear_cookies()
    sign_in(page, requests, "carol")
    press(page, "Approve")
    expect(page.locator("#result_list .field-status")).to_have_text("Approved")
    press(page, "Preview what would be erased")
    expect(page.locator("#plan")).to_contain_text("Would anonymise 1 contact records")
    expect(page.locator("#plan")).to_contain_text(
        "Would retain 2 invoices until 2034-12-31 (tax law)"
    )
    assert Contact.objects.get(pk=bob.pk).display_name == NAME

    page.goto(requests)
    press(page, "Execute now")
    page.get_by_label("Reason").fill("Asked by letter of 2 February")
    expect(page.get_by_text("What is erased cannot be brought back.")).to_be_visible()
    page.get_by_role("button", name="Erase now").click()
    expect(page.locator(".messagelist")).to_contain_text("handed to the queue")
    run_what_is_queued()
    page.reload()
    expect(page.locator("#result_list .field-status")).to_have_text("Completed")
    page.locator("#result_list tbody th a").click()
    expect(page.locator("#actions-group")).to_contain_text("contact")
    text = page.locator("#content").inner_text()
    assert (NAME in text, EMAIL in text) == (False, False)
    assert ErasureRequest.objects.get().status == "completed"
    assert Contact.objects.get(pk=bob.pk).display_name != NAME
    assert complaints == []
