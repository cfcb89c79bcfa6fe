"""The system's Chromium, which Playwright drives: none is downloaded."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
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


SCREENS = {"phone": 390, "desk": 1440}  # pixels across
SCREENSHOTS = os.environ.get("SCREENSHOTS", "")  # a folder to leave pictures in
# What another colour scheme can spoil; it changes nothing else.
OF_COLOURS = ("color-contrast", "link-in-text-block")
# The admin's links fade from one colour into the other; nobody waits for it.
ALL_FADED = "document.getAnimations().forEach(each => each.finish())"


def assert_for_everybody(page: Page, name: str) -> None:
    """Nothing keeps people out of a page, on either screen, in light and in dark.

    And nothing is wider than the screen. The page is as wide again afterwards as it was.
    """
    before = page.viewport_size
    assert before
    page.evaluate(AXE_SCRIPT)
    for width in SCREENS.values():
        page.set_viewport_size({**before, "width": width})
        for scheme, rules in (("light", ()), ("dark", OF_COLOURS)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.evaluate(ALL_FADED)
            # ``preload`` would ask for styles again.
            options: dict[str, Any] = {"preload": False, "resultTypes": ["violations"]}
            if rules:
                options["runOnly"] = rules
            found = AxeResults(page.evaluate("options => axe.run(options)", options))
            where = f"{name}, {scheme}, {width} px"
            assert found.violations_count == 0, f"{where}: {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} is {wide} px wide on {width}"
            if SCREENSHOTS:
                path = Path(SCREENSHOTS) / f"{name}-{width}-{scheme}.png"
                page.screenshot(path=path, full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser, for all tests of a module."""
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright's synchronous API runs an event loop in this thread.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=[*SCREENS.values()], ids=[*SCREENS])
def page(
    browser: Browser, request: pytest.FixtureRequest, transactional_db: None
) -> Iterator[Page]:
    """An empty page of somebody who has not been here before, on a phone and on a desk."""
    context = browser.new_context(viewport={"width": request.param, "height": 844})
    yield context.new_page()
    context.close()


def _only_on(screen: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", [SCREENS[screen]], ids=[screen], indirect=True)


on_a_desk = _only_on("desk")  # tries both screens itself, by ``assert_for_everybody``
on_a_phone = _only_on("phone")  # a long way: what a thumb can do, a mouse can
