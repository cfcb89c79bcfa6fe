"""The console in a real Chromium: for everybody, and from a cold start to a repair."""

import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings

from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from apps.jobs.models import JobRun
from sandbox import Sandbox
from tests import factories as make
from tests.billing.collecting import Shop, attempts, open_shop, state
from tests.console.browsing import work_off
from tests.console.world import a_run, a_schedule, an_item, granted, superuser
from tests.factories import PASSWORD
from tests.servers.chromium import assert_for_everybody, on_a_desk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

FIRST_LOAD = 120_000  # bytes over the wire


class Watched:
    """A page, what it complained of, and whom it asked."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.add(urlsplit(request.url).netloc))

    def sign_in(self, name: str) -> None:
        self.page.goto(f"{self.url}{reverse('console:today')}")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.page.locator(".console-nav")).to_be_visible()

    def kept_quiet(self) -> None:
        """Nothing was complained of, and nobody else was asked."""
        assert self.complaints == []
        assert self.asked == {urlsplit(self.url).netloc}


@pytest.fixture
def watched(page: Page, live_server: Any) -> Watched:
    return Watched(page, live_server.url)


# ---- every page ---------------------------------------------------------------------------


@pytest.fixture
def record(transactional_db: None) -> dict[str, str]:
    """Runs of every kind, and the address of every page that shows them."""
    firm: Firm = make.FirmFactory(name="Elm Court Homes", timezone="America/New_York")
    contact = make.ContactFactory(firm=firm, display_name="Ada Lovelace")
    superuser()
    a_schedule()
    now = timezone.now()
    for hours in range(2, 30):
        a_run(now - timedelta(hours=hours), took=2 + hours % 3, done=3)
    done = a_run(now - timedelta(minutes=50), done=2, money={"USD": 300_000, "EUR": 1_999})
    failed = a_run(
        now - timedelta(minutes=40), state="partial", done=1, failed=1, skipped=1,
        problem="1 item(s) failed; see the log.",
    )  # fmt: skip
    preview = a_run(
        now - timedelta(minutes=5), dry_run=True, source="console", done=2, money={"USD": 9_900}
    )
    going = a_run(now - timedelta(minutes=1), state="running", done=40, expected=100)
    about = {"subject_key": str(contact.pk), "subject_label": "Ada Lovelace"}
    for run in (done, preview, going):
        an_item(run, firm, action="greet", amount_minor=9_900, currency="USD", **about)
    an_item(failed, firm, outcome="failed", detail="the greeter is hoarse", **about)
    an_item(failed, firm, outcome="skipped", reason="away", subject_label="Bob")
    return {
        "today": reverse("console:today"),
        "calendar": reverse("console:calendar"),
        "calendar-30": f"{reverse('console:calendar')}?span=30d",
        "jobs": reverse("console:jobs"),
        "job": reverse("console:job", args=[failed.job]),
        "run": reverse("console:run", args=[failed.pk]),
        "going-on": reverse("console:run", args=[going.pk]),
        "preview": reverse("console:run", args=[preview.pk]),
        "confirm": reverse("console:run-apply-confirm", args=[preview.pk]),
        "compare": reverse("console:run-compare", args=[failed.pk]),
        "log": reverse("console:run-log", args=[failed.pk]),
        "why-found": f"{reverse('console:why')}?q=Elm",
        "why": f"{reverse('console:why')}?thing=contacts.contact:{contact.pk}",
    }


@on_a_desk
@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_page_is_for_everybody(
    watched: Watched, record: dict[str, str], settings: Settings, language: str
) -> None:
    watched.sign_in("root")  # in English, whose labels are known here
    settings.LANGUAGE_CODE = language
    for name, address in record.items():
        answer = watched.page.goto(f"{watched.url}{address}")
        assert answer is not None
        assert answer.status == 200, name
        direction = watched.page.locator("html").get_attribute("dir")
        assert direction == ("rtl" if language == "ar" else "ltr")
        assert_for_everybody(watched.page, f"{name}-{language}")
    watched.kept_quiet()


@on_a_desk
def test_the_first_load_is_small(watched: Watched, record: dict[str, str]) -> None:
    sizes: dict[str, int] = {}

    def weigh(answer: Any) -> None:
        if answer.status == 200:
            sizes[answer.url] = len(gzip.compress(answer.body()))

    watched.sign_in("root")
    cookies = watched.page.context.cookies()
    for address in (record["today"], record["calendar-30"], record["run"]):
        sizes.clear()
        assert watched.page.context.browser
        fresh = watched.page.context.browser.new_context()  # nothing cached
        fresh.add_cookies(cookies)  # type: ignore[arg-type]
        page = fresh.new_page()
        page.on("response", weigh)
        page.goto(f"{watched.url}{address}")
        page.wait_for_load_state("networkidle")
        assert sum(sizes.values()) <= FIRST_LOAD, sizes
        fresh.close()


# ---- the journey ----------------------------------------------------------------------------


@pytest.fixture
def shop(sandbox: Sandbox, settings: Settings, transactional_db: None) -> Shop:
    settings.JOBS_MODULE = "project.jobs"
    return open_shop(sandbox, name="Acme Consulting")


@pytest.fixture
def operator(shop: Shop) -> User:
    """Somebody who may look, preview and approve, and nothing else."""
    ada = granted("ada", "preview", "approve")
    ada.groups.add(staff_group())  # who looks for a thing must be let look at it
    return ada


def not_charged_last_night(shop: Shop) -> Any:
    """Return an invoice of a customer without a card, who has given one this morning."""
    customer = shop.customer(behaviour=None)
    today = timezone.localdate()
    invoice = shop.invoice(
        customer,
        number="INV-2026-041",
        issue_date=today - timedelta(days=9),
        due_date=today + timedelta(days=21),
    )
    client = Client()
    client.force_login(superuser())
    start = reverse("console:job-start", args=["process_recurring_charges"])
    client.post(start, {"do": "run", "sure": "yes"})
    work_off()
    assert JobRun.objects.get().skipped == 1
    return invoice


def give_card(shop: Shop, invoice: Any) -> None:
    account = invoice.account
    account.default_payment_method = shop.card(account, "succeeds")
    account.save()


def press_key(page: Page, role: Any, name: str) -> None:
    """Reach something by the Tab key alone, and press Enter."""
    wanted = page.get_by_role(role, name=name).first
    expect(wanted).to_be_visible()
    for _ in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    raise AssertionError(f"{role} {name} is not reached by the keyboard")


def test_from_a_cold_start_to_the_repair_by_keyboard(
    watched: Watched, shop: Shop, operator: User
) -> None:
    """Why was it not charged? Preview the repair, apply exactly that, and see it done."""
    invoice = not_charged_last_night(shop)
    page = watched.page
    watched.sign_in("ada")
    press_key(page, "link", "Why?")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("INV-2026-041")
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_contain_text("The customer has no card")

    give_card(shop, invoice)
    page.reload()
    expect(page.locator("#content")).to_contain_text("The next run charges the stored card.")
    page.goto(f"{watched.url}{reverse('console:job', args=['process_recurring_charges'])}")
    press_key(page, "button", "Preview")
    work_off()
    page.reload()
    expect(page.locator("#content")).to_contain_text("$5,000.00")
    expect(page.locator("#content")).to_contain_text("INV-2026-041")
    assert (attempts(invoice), shop.charges()) == ([], [])

    press_key(page, "link", "Apply exactly this …")
    page.get_by_role("checkbox").focus()
    page.keyboard.press("Space")
    press_key(page, "button", "Apply exactly this")
    work_off()
    page.reload()
    expect(page.locator("#content")).to_contain_text("done")
    assert state(invoice) == ("paid", "succeeded", 0)
    assert [charge.amount for charge in shop.charges()] == [500_000]
    watched.kept_quiet()


@pytest.fixture
def without_scripts(browser: Browser, transactional_db: None) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False)
    yield context.new_page()
    context.close()


def test_from_preview_to_apply_without_javascript(
    without_scripts: Page, live_server: Any, shop: Shop, operator: User
) -> None:
    invoice = shop.invoice(number="INV-2026-042", due_date=timezone.localdate())
    page = without_scripts
    page.goto(f"{live_server.url}{reverse('console:job', args=['process_recurring_charges'])}")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Preview").click()
    work_off()
    page.reload()
    page.get_by_role("link", name="Apply exactly this …").click()
    page.get_by_role("button", name="Apply exactly this").click()
    assert shop.charges() == []  # the box was not ticked
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Apply exactly this").click()
    work_off()
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#content")).to_contain_text("done")
    assert state(invoice) == ("paid", "succeeded", 0)
