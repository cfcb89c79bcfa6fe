"""Somebody moves a stale deal along and writes down a call, in a real Chromium."""

from datetime import date
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from apps.core.days import Clock
from apps.crm.models import Deal, DealActivity
from apps.crm.services import open_pipeline
from apps.firms.models import User
from tests.admin.world import staff_of
from tests.crm.dealing import deal_of
from tests.factories import PASSWORD, ContactFactory, FirmFactory, StaleDealAlertFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ada(transactional_db: None) -> User:
    """Somebody with an idle deal and a fresh one, in the usual pipeline."""
    firm = FirmFactory(name="Acme Consulting")
    ada = staff_of(firm)
    lead, *_ = open_pipeline(firm=firm, clock=Clock.read()).stages.order_by("position")
    for title, contact, amount, how in (
        ("Cost audit", "Willow Schools", 1_500_000, {"stage_entered_at": timezone.now()}),
        ("Warehouse automation", "Juniper Freight", 4_500_000, {"is_stale": True}),
    ):
        if how.get("is_stale"):
            how["stale_since"] = date(2025, 3, 15)
        deal = deal_of(
            firm,
            stage=lead,
            title=title,
            owner=ada,
            contact=ContactFactory(firm=firm, display_name=contact),
            amount_minor=amount,
            **how,
        )
    StaleDealAlertFactory(deal=deal)
    return ada


def press(page: Page, title: str, action: str) -> None:
    """Tick a deal on the list, and choose what is to happen to it."""
    page.get_by_role("row").filter(has_text=title).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label=action)
    page.get_by_role("button", name="Go").click()


def test_moves_a_deal_and_logs_a_call(page: Page, live_server: Any, ada: User) -> None:
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_server.url}/admin/crm/deal/?is_stale__exact=1")
    page.get_by_label("Username").fill(ada.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)

    press(page, "Warehouse automation", "Move to another stage")
    expect(
        page.get_by_text("Warehouse automation, Juniper Freight: Lead, Open")
    ).to_be_visible()
    page.get_by_label("Stage").select_option(label="Sales: Proposal")
    page.get_by_role("button", name="Move deals").click()
    expect(page.locator(".messagelist")).to_have_text("1 deal moved.")

    page.goto(f"{live_server.url}/admin/crm/deal/")
    press(page, "Warehouse automation", "Log or plan an activity")
    page.get_by_label("Type").select_option(label="Call")
    page.get_by_label("Note").fill("They want a second quote.")
    page.get_by_role("button", name="Log or plan an activity").click()
    expect(page.locator(".messagelist")).to_have_text("1 activity written down.")

    page.get_by_role("link", name="Warehouse automation").click()
    expect(page.locator("#activities-group td.field-note")).to_have_text(
        "They want a second quote."
    )
    expect(page.locator(".field-stage .readonly")).to_have_text("Proposal")
    deal = Deal.objects.get(title="Warehouse automation")
    assert deal.last_activity_at == DealActivity.objects.get().occurred_at
    assert deal.stage.name == "Proposal"
    assert complaints == []
