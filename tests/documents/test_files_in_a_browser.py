"""A clerk files a certificate and gets it back, in a real Chromium."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.documents.models import Document
from apps.firms.rights import staff_group
from tests.documents.filing import PDF
from tests.factories import PASSWORD, FirmFactory, MembershipFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PAGE = b"<html><body><h1>Sign in</h1><script>document.title = 'run'</script></body></html>"


@pytest.fixture
def add(page: Page, live_server: Any) -> Page:
    """The form for a new document, as a clerk sees it."""
    clerk = MembershipFactory(firm=FirmFactory(name="Alder Homes")).user
    clerk.groups.add(staff_group())
    page.goto(f"{live_server.url}/admin/documents/document/add/")
    page.get_by_label("Username").fill(clerk.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    return page


def send(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("Title").fill("Certificate of insurance")
    page.get_by_label("File").set_input_files(
        {"name": name, "mimeType": "text/html", "buffer": content}
    )
    page.get_by_role("button", name="Save", exact=True).click()


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_files_a_certificate_and_gets_it_back(
    add: Page, request: pytest.FixtureRequest, where: str, tmp_path: Path
) -> None:
    request.getfixturevalue(where)
    complaints = []
    add.on("pageerror", lambda error: complaints.append(str(error)))
    expect(add.locator(".field-file .help")).to_contain_text("At most 25 MiB: PDF, JPEG, PNG")

    send(add, "Versicherung 2025.pdf", PDF)

    expect(add.locator(".messagelist")).to_contain_text("was added successfully")
    row = add.locator("#result_list tbody tr")
    expect(row.locator(".field-state")).to_have_text("Available")
    with add.expect_download() as download:
        row.get_by_role("link", name="Versicherung 2025.pdf").click()
    assert download.value.suggested_filename == "Versicherung 2025.pdf"
    download.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == PDF

    row.get_by_role("link", name="Certificate of insurance").click()
    expect(add.locator(".field-size .readonly")).to_have_text(f"{len(PDF)}\xa0bytes")
    expect(add.locator(".field-sha256 .readonly")).to_have_text(Document.objects.get().sha256)
    expect(add.get_by_label("File")).to_have_count(0)
    assert complaints == []


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_page_that_somebody_planted_is_saved_and_never_shown(
    add: Page, request: pytest.FixtureRequest, where: str
) -> None:
    request.getfixturevalue(where)
    send(add, "login.html", PAGE)

    with add.expect_download() as download:
        add.get_by_role("link", name="login.html.txt").click()

    assert download.value.suggested_filename == "login.html.txt"
    assert add.title() != "run"
    expect(add.locator("#result_list")).to_be_visible()


def test_says_at_the_field_why_a_file_is_not_taken(add: Page, folder: Path) -> None:
    send(add, "certificate.pdf", b"MZ\x90\0\x03")

    expect(add.locator(".field-file .errorlist")).to_contain_text(
        "Files of this kind are not taken; these are: PDF"
    )
    expect(add.get_by_label("Title")).to_have_value("Certificate of insurance")
    assert not Document.objects.exists()
