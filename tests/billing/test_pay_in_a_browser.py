"""Paying, and storing a card, in a real Chromium without JavaScript, to the gateway's end."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from apps.billing import links
from apps.billing.models import Invoice
from sandbox import Sandbox
from tests.billing.paying import an_invoice

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def phone(browser: Browser, transactional_db: None) -> Iterator[Page]:
    cache.clear()
    context = browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


@pytest.fixture
def invoice(sandbox: Sandbox, live_server: Any, settings: Any) -> Invoice:
    settings.SITE_URL = live_server.url
    return an_invoice(sandbox, number="INV-2025-001")


def test_pays_to_the_end_and_is_thanked(
    phone: Page, invoice: Invoice, sandbox: Sandbox
) -> None:
    refused: list[str] = []
    phone.on(
        "console",
        lambda message: "Security" in message.text and refused.append(message.text),
    )
    phone.goto(links.pay_link(invoice.pk))
    expect(phone.get_by_role("row", name="To pay $1,000.00")).to_be_visible()
    phone.get_by_role("button", name="Pay $1,000.00").click()
    expect(phone.get_by_text("100000 USD")).to_be_visible()  # the gateway's own page
    phone.get_by_role("button", name="Pay").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text(
        "Thank you; your payment is being confirmed"
    )
    [made] = sandbox.stripe.charges_made()
    assert (made.amount, made.metadata["invoice"]) == (100_000, str(invoice.pk))
    assert refused == []  # by our own policy, which redirects after a form must pass


def test_goes_back_and_pays_after_all(phone: Page, invoice: Invoice, sandbox: Sandbox) -> None:
    phone.goto(links.pay_link(invoice.pk))
    phone.get_by_role("button").click()
    phone.get_by_role("link", name="Back").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("You did not pay")
    phone.get_by_role("link", name="Back to the invoice").click()
    phone.get_by_role("button").click()
    phone.get_by_role("button", name="Pay").click()
    expect(phone.get_by_role("heading", level=1)).to_contain_text("Thank you")
    assert len(sandbox.stripe.charges_made()) == 1


def test_stores_a_card_to_the_end(phone: Page, invoice: Invoice, sandbox: Sandbox) -> None:
    phone.goto(links.card_link(invoice.account_id))
    phone.get_by_role("button", name="Store a new card").click()
    phone.get_by_label("Mastercard").check()
    phone.get_by_role("button", name="Save card").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text(
        "Thank you; your card is being stored"
    )
    stored = [one for one in sandbox.stripe.events if one["type"] == "setup_intent.succeeded"]
    assert len(stored) == 1


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_fits_the_screen_and_breaks_no_rule_of_its_own(
    phone: Page, invoice: Invoice, colours: Any
) -> None:
    invoice.lines.update(description="Consulting, phase two: " + "interminable " * 12)
    complaints: list[str] = []
    phone.on("console", lambda message: complaints.append(message.text))
    phone.emulate_media(color_scheme=colours)
    phone.goto(links.pay_link(invoice.pk))
    for box in (phone.locator("main"), phone.locator("table"), phone.get_by_role("button")):
        found = box.bounding_box()
        assert found
        assert found["x"] >= 0
        assert found["x"] + found["width"] <= PHONE["width"]
    expect(phone.locator("body")).to_have_css("margin", "0px")
    assert complaints == []
