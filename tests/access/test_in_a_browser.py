"""Somebody sets their second factor up and signs in with it, in a real Chromium."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.access.models import Authenticator
from tests.factories import PASSWORD, MembershipFactory, code_of
from tests.servers.chromium import assert_for_everybody, on_a_desk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@on_a_desk
def test_from_the_menu_to_the_next_sign_in(page: Page, live_server: Any) -> None:
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: complaints.append(f"{said.text} {said.location['url']}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    MembershipFactory(user__username="ada")

    def sign_in() -> None:
        page.goto(f"{live_server.url}/admin/")
        page.get_by_label("Username").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

    sign_in()
    page.get_by_role("link", name="Second factor").click()
    assert_for_everybody(page, "off")
    page.get_by_role("button", name="Set it up").click()
    assert_for_everybody(page, "set-up")
    page.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    expect(page.locator(".errorlist")).to_contain_text("This code is not right.")
    assert_for_everybody(page, "wrong")
    Authenticator.objects.update(throttling_failure_timestamp=None)
    page.get_by_label("Code").fill(code_of(Authenticator.objects.get()))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Your second factor is on")
    assert_for_everybody(page, "codes")
    backup = page.locator(".codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Second factor").click()
    expect(page.locator("#content")).to_contain_text("You have 10 backup codes left.")
    assert_for_everybody(page, "on")
    page.get_by_role("button", name="Log out").click()

    sign_in()
    expect(page).to_have_url(re.compile("/second-factor/code/"))
    assert_for_everybody(page, "code")
    page.get_by_label("Code").fill(backup)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/")
    assert [one for one in complaints if "favicon.ico" not in one] == []
    assert {url for url in asked if not url.startswith(live_server.url)} == set()


@on_a_desk
@pytest.mark.usefixtures("strange_machine")
def test_a_strange_machine_is_seen_at_once(page: Page, live_server: Any) -> None:
    MembershipFactory(user__username="ada")
    page.goto(f"{live_server.url}/admin/second-factor/")
    expect(page.get_by_role("alert")).to_contain_text("nothing leaves the building")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("manage.py trust_machine")
    assert_for_everybody(page, "strange")
