"""Somebody sets their second factor up and signs in with it, in a real Chromium."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.access.models import Authenticator
from tests.factories import PASSWORD, MembershipFactory, code_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SCREENSHOTS = os.environ.get("SCREENSHOTS", "")  # a folder to leave pictures in


def looks_right(page: Page, name: str) -> None:
    """Nothing that keeps people out, in light and in dark, and nothing wider than the page."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(page, options={"preload": False})  # it would ask for styles again
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{width}-{scheme}.png")


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
    looks_right(page, "off")
    page.get_by_role("button", name="Set it up").click()
    looks_right(page, "set-up")
    page.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    expect(page.locator(".errorlist")).to_contain_text("This code is not right.")
    looks_right(page, "wrong")
    Authenticator.objects.update(throttling_failure_timestamp=None)
    page.get_by_label("Code").fill(code_of(Authenticator.objects.get()))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Your second factor is on")
    looks_right(page, "codes")
    backup = page.locator(".codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Second factor").click()
    expect(page.locator("#content")).to_contain_text("You have 10 backup codes left.")
    looks_right(page, "on")
    page.get_by_role("button", name="Log out").click()

    sign_in()
    expect(page).to_have_url(re.compile("/second-factor/code/"))
    looks_right(page, "code")
    page.get_by_label("Code").fill(backup)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/")
    assert [one for one in complaints if "favicon.ico" not in one] == []
    assert {url for url in asked if not url.startswith(live_server.url)} == set()


@pytest.mark.usefixtures("strange_machine")
def test_a_strange_machine_is_seen_at_once(page: Page, live_server: Any) -> None:
    MembershipFactory(user__username="ada")
    page.goto(f"{live_server.url}/admin/second-factor/")
    expect(page.get_by_role("alert")).to_contain_text("nothing leaves the building")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("manage.py trust_machine")
    looks_right(page, "strange")
