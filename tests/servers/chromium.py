"""The system's Chromium, which Playwright drives: none is downloaded."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

# Playwright's Chromium as root, and without any traffic of its own.
ARGUMENTS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
] + (["--no-sandbox"] if os.geteuid() == 0 else [])


def find_chromium() -> str | None:
    """The browser's path, or nothing where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    return None


SCREENSHOTS = os.environ.get("SCREENSHOTS", "")  # a folder to leave pictures in
# What another colour scheme can spoil; it changes nothing else.
OF_COLOURS = ("color-contrast", "link-in-text-block")
# The admin's links fade from one colour into the other.
ALL_FADED = "Promise.allSettled(document.getAnimations().map(each => each.finished))"


def assert_for_everybody(page: Page, name: str) -> None:
    """Nothing keeps people out of a page, in light and in dark; nothing is wider than it."""
    width = page.viewport_size["width"] if page.viewport_size else 0
    for scheme, rules in (("light", ()), ("dark", OF_COLOURS)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(ALL_FADED)
        # ``preload`` would ask for styles again.
        options = {"preload": False, "resultTypes": ["violations"]}
        found = Axe().run(page, options=options | ({"runOnly": rules} if rules else {}))
        assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide"
        if SCREENSHOTS:
            path = Path(SCREENSHOTS) / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, for all tests of a module."""
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright's synchronous API runs an event loop in this thread.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[390, 1440], ids=["phone", "desk"])
def page(
    browser: Browser, request: pytest.FixtureRequest, transactional_db: None
) -> Iterator[Page]:
    """An empty page of somebody who has not been here before, on a phone and on a desk."""
    context = browser.new_context(viewport={"width": request.param, "height": 844})
    yield context.new_page()
    context.close()
