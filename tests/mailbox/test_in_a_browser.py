"""A clerk reads a conversation and closes its ticket, in a real Chromium."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.firms.rights import staff_group
from apps.mailbox.models import EmailConnection, Ticket
from tests.factories import PASSWORD, EmailConnectionFactory, FirmFactory, MembershipFactory
from tests.mailbox.corpus import attachment, multipart
from tests.mailbox.post import letter, take_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

EVIL = """
<html><head><meta http-equiv="refresh" content="0;url=https://evil.example/">
<base href="https://evil.example/">
<style>body { background: url(https://evil.example/b) }</style>
</head><body onload="top.document.title = 'run'">
<script>top.document.title = 'run'</script>
<img src="https://evil.example/open.gif" alt="Our logo" onerror="top.document.title = 'run'">
<img src="/static/admin/img/icon-yes.svg">
<p style="background: url(https://evil.example/p)">Dear support, the <b>export</b> stops.</p>
<form action="https://evil.example/"><input name="password"><button>Sign in</button></form>
<a href="https://evil.example/login" target="_top">https://echodesk.example/</a>
<svg onload="top.document.title = 'run'"><image href="https://evil.example/s"/></svg>
<iframe src="https://evil.example/"></iframe>
<table border="1"><tr><th>Month</th><th>Rows</th></tr><tr><td>May</td><td>500</td></tr></table>
</body></html>
""".replace("\n", "\r\n")


@pytest.fixture
def inbox(transactional_db: None, folder: Path) -> EmailConnection:
    """A mailbox with a conversation in it: an answer, a laid-out letter, a file."""
    firm = FirmFactory(name="My Company")
    connection: EmailConnection = EmailConnectionFactory(firm=firm, name="Support Inbox")
    take_in(
        connection,
        letter("I cannot sign in", message_id="1@x", sender="Nana Kobalia <nana@example.com>"),
        letter(
            "Re: I cannot sign in",
            message_id="2@x",
            sender="Nana Kobalia <nana@example.com>",
            In_Reply_To="<1@x>",
            body="It does, thank you.\r\n\r\n> Does it work now?",
        ),
        multipart(
            "Re: I cannot sign in",
            f"Content-Type: text/html; charset=utf-8\r\n\r\n{EVIL}",
            attachment("page.html", content=b"<script>document.title = 'run'</script>"),
        ).replace(b"MIME-Version", b"In-Reply-To: <2@x>\r\nMIME-Version", 1),
        keep=True,
    )
    return connection


def test_reads_a_conversation_and_closes_its_ticket(
    page: Page, live_server: Any, inbox: EmailConnection, tmp_path: Path
) -> None:
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    clerk = MembershipFactory(firm=inbox.firm).user
    clerk.groups.add(staff_group())
    page.goto(f"{live_server.url}/admin/mailbox/ticket/")
    page.get_by_label("Username").fill(clerk.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="I cannot sign in").click()

    letters = page.locator("article.letter")
    expect(letters).to_have_count(3)
    expect(letters.first.locator("h3")).to_have_text("Nana Kobalia <nana@example.com>")
    expect(letters.nth(1).locator("pre.text")).to_contain_text("It does, thank you.")
    frame = letters.nth(2).frame_locator("iframe")
    letters.nth(2).locator("iframe").scroll_into_view_if_needed()
    expect(frame.locator("b")).to_have_text("export")
    expect(frame.locator(".picture").first).to_have_text("[picture: Our logo]")
    expect(frame.locator(".where")).to_have_text("https://evil.example/login")
    assert frame.locator("a, form, script, img, iframe, svg").count() == 0
    # Our style sheet is all that the letter may have, and it has it.
    font = frame.locator("body").evaluate("body => getComputedStyle(body).fontFamily")
    assert "system-ui" in font
    page.screenshot(path=tmp_path / "ticket.png", full_page=True)

    with page.expect_download() as download:
        letters.nth(2).get_by_role("link", name="page.html").click()
    assert download.value.suggested_filename == "page.html"
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".messagelist")).to_have_text("1 ticket closed.")
    assert Ticket.objects.get().status == "closed"
    assert page.title() != "run"
    assert complaints == []
    assert [url for url in asked if not url.startswith(live_server.url)] == []
