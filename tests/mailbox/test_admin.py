"""In the admin …"""

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.audit.models import AuditEvent
from apps.firms.models import Firm, Role, User
from apps.firms.rights import staff_group
from apps.mailbox.models import EmailConnection, EmailMessage, Ticket
from tests.factories import (
    EmailConnectionFactory,
    EmailMessageFactory,
    FirmFactory,
    MembershipFactory,
    TicketEntryFactory,
    TicketFactory,
)
from tests.mailbox.corpus import attachment, multipart
from tests.mailbox.post import take_in
from tests.mailbox.test_showing import HARMFUL

pytestmark = pytest.mark.django_db

SECRET = "marker-of-the-password-0123"


def browser(firm: Firm, role: Role) -> Client:
    user = MembershipFactory(firm=firm, roles=[role]).user
    user.groups.add(staff_group())
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(firm: Firm) -> Client:
    return browser(firm, Role.OWNER)


@pytest.fixture
def clerk(firm: Firm) -> Client:
    return browser(firm, Role.STAFF)


def page(model: str, what: str, *pk: int) -> str:
    return reverse(f"admin:mailbox_{model}_{what}", args=pk)


def press(client: Client, model: str, action: str, *rows: Any, **typed: Any) -> str:
    """Press an action of a list, and return what the page then says."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], **typed}
    answer = client.post(page(model, "changelist"), data, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


# ---- mailboxes ------------------------------------------------------------


def typed(firm: Firm, **changes: Any) -> dict[str, Any]:
    return {
        "firm": firm.pk,
        "name": "Support Inbox",
        "host": "imap.example.com",
        "port": 993,
        "security": "tls",
        "username": "support@example.com",
        "auth": "password",
        "folders": " INBOX \n\nSent\nINBOX",
        "is_active": "on",
        "password": SECRET,
        "folder_states-TOTAL_FORMS": 0,
        "folder_states-INITIAL_FORMS": 0,
        **changes,
    }


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_owners_and_admins_add_a_mailbox(firm: Firm, role: Role) -> None:
    client = browser(firm, role)
    answer = client.post(page("emailconnection", "add"), typed(firm), follow=True)
    assert answer.status_code == 200
    connection = EmailConnection.objects.get()
    assert connection.secret == {"password": SECRET}
    assert connection.folder_names == ["INBOX", "Sent"]
    assert (connection.status, connection.revision) == ("ok", 1)
    event = AuditEvent.objects.get()
    assert (event.action, event.changes) == (
        "mailbox_saved",
        {"replaced": ["password"], "revision": 1},
    )


def test_others_only_look(firm: Firm, clerk: Client) -> None:
    connection = EmailConnectionFactory(firm=firm)
    assert clerk.get(page("emailconnection", "add")).status_code == 403
    shown = clerk.get(page("emailconnection", "change", connection.pk))
    assert shown.status_code == 200
    assert b'name="password"' not in shown.content
    changed = clerk.post(page("emailconnection", "change", connection.pk), typed(firm))
    assert changed.status_code == 403
    assert press(clerk, "emailconnection", "switch_off", connection) == ""
    connection.refresh_from_db()
    assert connection.is_active


def test_no_page_shows_a_secret(firm: Firm, owner: Client) -> None:
    owner.post(page("emailconnection", "add"), typed(firm))
    connection = EmailConnection.objects.get()
    for where in (
        page("emailconnection", "change", connection.pk),
        page("emailconnection", "history", connection.pk),
        page("emailconnection", "changelist"),
        reverse("admin:audit_auditevent_changelist"),
    ):
        assert SECRET.encode() not in owner.get(where).content
    refused = owner.post(page("emailconnection", "add"), typed(firm, host="not a host"))
    assert refused.status_code == 200
    assert SECRET.encode() not in refused.content


def test_what_is_not_typed_stays(firm: Firm, owner: Client) -> None:
    owner.post(page("emailconnection", "add"), typed(firm))
    connection = EmailConnection.objects.get()
    EmailConnection.objects.update(
        status="auth_failed", problem="x", consecutive_failures=3, lease=None
    )
    change = page("emailconnection", "change", connection.pk)
    owner.post(change, typed(firm, password="", port=143, security="starttls"))
    connection.refresh_from_db()
    assert connection.secret == {"password": SECRET}
    assert (connection.port, connection.status, connection.problem) == (143, "ok", "")
    assert (connection.consecutive_failures, connection.revision) == (0, 2)


@pytest.mark.parametrize(
    ("changes", "field", "refusal"),
    [
        ({"password": ""}, "password", "This way of signing in needs it."),
        ({"auth": "xoauth2"}, "access_token", "This way of signing in needs it."),
        (
            {"access_token": "x"},
            "access_token",
            "This way of signing in has no such credential.",
        ),
        ({"security": "none"}, "security", "A password never crosses a network in the clear."),
        ({"folders": " \n "}, "folders", "This field is required."),
        ({"host": "http://x"}, "host", "A host name, such as imap.example.com."),
        ({"username": "a\r\nb"}, "username", "Letters, digits and signs."),
        ({"port": 0}, "port", "Ensure this value is greater than or equal to 1."),
    ],
)
def test_a_mailbox_that_cannot_be_is_refused(
    firm: Firm, owner: Client, changes: dict[str, Any], field: str, refusal: str
) -> None:
    answer = owner.post(page("emailconnection", "add"), typed(firm, **changes))
    assert refusal in answer.context["adminform"].form.errors[field]
    assert not EmailConnection.objects.exists()


def test_a_mailbox_is_tried_again_switched_off_and_on(firm: Firm, owner: Client) -> None:
    later = timezone.now() + timedelta(hours=1)
    waiting = EmailConnectionFactory(firm=firm, status="unreachable", backoff_until=later)
    shut = EmailConnectionFactory(firm=firm, name="Sales Inbox", status="auth_failed")
    theirs = EmailConnectionFactory(status="unreachable", backoff_until=later)

    said = press(owner, "emailconnection", "try_again", waiting, shut, theirs)

    assert said == (
        "1 mailbox will be read with the next run, "
        "1 skipped: Sales Inbox needs new credentials."
    )
    for row, until in ((waiting, None), (theirs, later)):
        row.refresh_from_db()
        assert row.backoff_until == until
    off = press(owner, "emailconnection", "switch_off", waiting)
    on = press(owner, "emailconnection", "switch_on", waiting)
    assert [off, on] == ["1 mailbox switched off.", "1 mailbox switched on."]
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == [
        "mailbox_tried_again",
        "mailbox_switched_off",
        "mailbox_switched_on",
    ]


# ---- the conversation ------------------------------------------------------------


@pytest.fixture
def inbox(firm: Firm, folder: object) -> EmailConnection:
    connection: EmailConnection = EmailConnectionFactory(firm=firm, name="Support Inbox")
    return connection


def read(client: Client, ticket: Ticket, **query: Any) -> BeautifulSoup:
    answer = client.get(page("ticket", "change", ticket.pk), query)
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def test_a_ticket_shows_who_wrote_what_and_when(inbox: EmailConnection, clerk: Client) -> None:
    take_in(
        inbox,
        multipart(
            "Export",
            "Content-Type: text/plain\r\n\r\n<b>Not</b> bold",
            "Content-Type: text/html\r\n\r\n<b>Bold</b>",
            attachment("rows.csv", content=b"1,2"),
        ),
    )
    soup = read(clerk, Ticket.objects.get())
    [letter] = soup.select("article.letter")
    message = EmailMessage.objects.get()
    assert letter.h3 is not None
    assert letter.h3.get_text() == "ada@example.com"
    assert letter.select_one("time")["datetime"] == message.received_at.isoformat()  # type: ignore[index]
    assert letter.select_one("pre.text").get_text() == "<b>Not</b> bold"  # type: ignore[union-attr]
    [frame] = letter.select("iframe")
    assert frame.has_attr("sandbox")
    assert not frame["sandbox"]
    assert frame["src"] == page("ticket", "letter", Ticket.objects.get().pk, message.pk)
    assert [link.get_text() for link in letter.select(".files a")] == ["rows.csv", "Raw copy"]
    assert soup.find("script", string=lambda text: bool(text and "Bold" in text)) is None


def test_a_letter_that_came_to_two_mailboxes_is_shown_once(
    inbox: EmailConnection, clerk: Client
) -> None:
    other = EmailConnectionFactory(firm=inbox.firm, name="Billing Inbox")
    raw = multipart("Both", "Content-Type: text/plain\r\n\r\nHello")
    take_in(inbox, raw)
    take_in(other, raw)
    [letter] = read(clerk, Ticket.objects.get()).select("article.letter")
    assert "in Support Inbox and Billing Inbox" in letter.get_text()


def test_a_long_conversation_begins_with_its_last_page(firm: Firm, clerk: Client) -> None:
    ticket = TicketFactory(firm=firm)
    connection = EmailConnectionFactory(firm=firm)
    for number in range(30):
        entry = TicketEntryFactory(ticket=ticket)
        EmailMessageFactory(connection=connection, entry=entry, text=f"Letter {number}.")
    texts = [one.get_text() for one in read(clerk, ticket).select("pre.text")]
    assert texts == [f"Letter {number}." for number in range(25, 30)]
    first = [one.get_text() for one in read(clerk, ticket, page=1).select("pre.text")]
    assert first == [f"Letter {number}." for number in range(25)]


def test_files_are_saved_and_never_shown(inbox: EmailConnection, clerk: Client) -> None:
    evil = b"<script>alert(1)</script>"
    take_in(inbox, multipart("x", attachment("page.html", content=evil)), keep=True)
    [file, _] = read(clerk, Ticket.objects.get()).select(".files a")
    answer = clerk.get(str(file["href"]), follow=True)
    assert b"".join(answer.streaming_content) == evil  # type: ignore[attr-defined]
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_frame_of_a_letter_can_do_nothing(inbox: EmailConnection, clerk: Client) -> None:
    entry = TicketEntryFactory(ticket__firm=inbox.firm)
    message = EmailMessageFactory(connection=inbox, entry=entry)
    for html in HARMFUL:
        EmailMessage.objects.update(html=html.replace("\0", ""))
        answer = clerk.get(page("ticket", "letter", entry.ticket_id, message.pk))
        assert answer.status_code == 200
        assert answer["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; sandbox; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'self'"
        )
        assert answer["X-Frame-Options"] == "SAMEORIGIN"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
        soup = BeautifulSoup(answer.content, "html.parser")
        assert soup.body is not None
        tags = {tag.name for tag in soup.body.find_all()}
        assert not tags & {"script", "img", "a", "form", "input", "iframe", "svg", "style"}


def test_a_letter_that_takes_too_much_says_so(inbox: EmailConnection, clerk: Client) -> None:
    entry = TicketEntryFactory(ticket__firm=inbox.firm)
    message = EmailMessageFactory(connection=inbox, entry=entry, html="<div>" * 40_000)
    answer = clerk.get(page("ticket", "letter", entry.ticket_id, message.pk))
    assert b"too intricate to be shown here" in answer.content
    assert b"<div>" not in answer.content


def test_a_letter_of_another_firm_is_not_reached(firm: Firm, clerk: Client) -> None:
    theirs = EmailMessageFactory(html="<p>Theirs</p>")
    ours = EmailMessageFactory(connection__firm=firm)
    assert theirs.entry is not None
    assert ours.entry is not None
    for ticket in (theirs.entry.ticket_id, ours.entry.ticket_id):
        assert clerk.get(page("ticket", "letter", ticket, theirs.pk)).status_code == 404
    assert (
        Client().get(page("ticket", "letter", ours.entry.ticket_id, ours.pk)).status_code == 302
    )


# ---- what is done about tickets ------------------------------------------------------------


def test_tickets_are_closed_opened_taken_and_assigned(firm: Firm, clerk: Client) -> None:
    one, two = TicketFactory(firm=firm), TicketFactory(firm=firm)
    theirs = TicketFactory()
    olga = User.objects.get(username="olga")
    olga.is_staff = True
    olga.save()

    assert press(clerk, "ticket", "close", one, two, theirs) == "2 tickets closed."
    assert press(clerk, "ticket", "close", one).startswith("0 tickets closed, 1 skipped: “")
    assert press(clerk, "ticket", "reopen", one) == "1 ticket opened again."
    assert press(clerk, "ticket", "take", one) == "1 ticket assigned to you."
    asked = clerk.post(
        page("ticket", "changelist"), {"action": "assign", "_selected_action": [one.pk]}
    )
    people = [choice[1] for choice in asked.context["form"].fields["to"].choices]
    assert "olga" in people
    assert all("stranger" not in name for name in people)
    said = press(clerk, "ticket", "assign", one, two, to=olga.pk, confirmed="yes")
    assert said == "2 tickets assigned to olga."

    theirs.refresh_from_db()
    assert (theirs.status, theirs.assigned_to) == ("open", None)
    assert set(Ticket.objects.filter(firm=firm).values_list("assigned_to", flat=True)) == {
        olga.pk
    }


def test_nobody_of_another_firm_can_be_chosen(firm: Firm, clerk: Client) -> None:
    ticket = TicketFactory(firm=firm)
    stranger = MembershipFactory(firm=FirmFactory(), user__username="stranger").user
    answer = clerk.post(
        page("ticket", "changelist"),
        {
            "action": "assign",
            "_selected_action": [ticket.pk],
            "to": stranger.pk,
            "confirmed": "yes",
        },
    )
    assert "to" in answer.context["form"].errors
    ticket.refresh_from_db()
    assert ticket.assigned_to is None
