"""The signing page in a real Chromium, without JavaScript, as signers meet it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from apps.documents.models import SignatureRequest
from tests.documents.asking import address, ask
from tests.factories import ContactFactory, DocumentFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LONG = "\n\n".join(f"{n}. The renter {'keeps the unit in good order ' * 12}." for n in range(9))


@pytest.fixture(params=[390, 1440], ids=["phone", "desk"])
def page(
    browser: Browser, request: pytest.FixtureRequest, transactional_db: None
) -> Iterator[Page]:
    cache.clear()
    context = browser.new_context(
        viewport={"width": request.param, "height": 844}, java_script_enabled=False
    )
    yield context.new_page()
    context.close()


def a_link(live_server: Any, *, days_old: int = 0) -> str:
    document = DocumentFactory(title="Residential lease, Maple Court 101", text=LONG)
    signer = ContactFactory(firm=document.firm, display_name="Ada Lovelace")
    at = timezone.now() - timedelta(days=days_old)
    _, token = ask(document=document, signer=signer, at=at)
    return f"{live_server.url}{address(token)}"


def test_signs_although_the_page_sends_no_referrer(page: Page, live_server: Any) -> None:
    origins = []
    page.on("request", lambda sent: origins.append(sent.all_headers().get("origin")))
    page.goto(a_link(live_server))
    page.get_by_label("Your full name").fill("Ada Lovelace")
    page.get_by_label("I have read this document").check()
    page.get_by_role("button", name="Sign the document").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, it is signed")
    assert SignatureRequest.objects.get().status == "signed"
    assert "null" in origins  # what Django's own CSRF check would have refused


def test_says_what_is_missing_and_keeps_what_was_typed(page: Page, live_server: Any) -> None:
    page.goto(a_link(live_server))
    page.get_by_label("Your full name").fill("Ada Lovelace")
    page.get_by_role("button", name="Sign the document").click()
    expect(page.get_by_role("alert")).to_contain_text("Not signed yet")
    expect(page.get_by_text("Tick the box to sign.")).to_be_visible()
    expect(page.get_by_label("Your full name")).to_have_value("Ada Lovelace")
    assert SignatureRequest.objects.get().signed_at is None


def test_declines_only_after_a_second_thought(page: Page, live_server: Any) -> None:
    page.goto(a_link(live_server))
    decline = page.get_by_role("button", name="Decline to sign")
    expect(decline).to_be_hidden()
    page.get_by_text("I do not want to sign").click()
    decline.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You declined to sign")
    assert SignatureRequest.objects.get().status == "declined"


def test_an_expired_link_says_so(page: Page, live_server: Any) -> None:
    page.goto(a_link(live_server, days_old=8))
    expect(page.get_by_role("heading")).to_have_text(
        "This link has expired — request a new one"
    )


def test_is_styled_fits_the_screen_and_breaks_no_rule_of_its_own(
    page: Page, live_server: Any
) -> None:
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(a_link(live_server))
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.locator("main").bounding_box()["width"] <= min(width, 704)  # type: ignore[index]
    expect(page.locator("body")).to_have_css("margin", "0px")
    assert complaints == []
