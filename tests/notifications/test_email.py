"""What an e-mail looks like on the wire (spec A10.5, A10.9)."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from django.utils.safestring import mark_safe
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.notifications.email import EmailSender, Message
from apps.notifications.sending import Letter
from apps.notifications.services import deliver_notifications, read_unsubscribe_token
from apps.notifications.types import Words
from tests.factories import ContactFactory, FirmFactory
from tests.notifications import messages
from tests.notifications.outbox import delivery, say
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(settings: Settings) -> Contact:
    settings.DEFAULT_FROM_EMAIL = "Nightshift <post@nightshift.example>"
    settings.SITE_URL = "https://night.example"
    firm = FirmFactory(name="Evergreen PM", settings__reply_to="office@evergreen.example")
    return ContactFactory(firm=firm, display_name="Ada", email="ada@example.com")


def received(server: MailServer) -> EmailMessage:
    deliver_notifications()
    (mail,) = server.messages
    return mail.message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body([kind])
    assert part is not None
    text: str = part.get_content()
    return text


def test_comes_from_the_firm_and_answers_go_to_its_office(
    ada: Contact, smtp_server: MailServer
) -> None:
    planned = say(ada, context={"subject": "Hello Ada", "text": "Good day."})

    message = received(smtp_server)

    assert message["From"] == "Evergreen PM <post@nightshift.example>"
    assert message["Reply-To"] == "office@evergreen.example"
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Hello Ada"
    assert message["Auto-Submitted"] == "auto-generated"
    assert smtp_server.messages[0].sender == "post@nightshift.example"
    made = delivery(planned).created_at.strftime("%Y%m%d%H%M%S%f")
    pk = delivery(planned).pk
    assert message["Message-ID"] == f"<delivery-{pk}-{made}@nightshift.example>"


def test_comes_from_the_platform_when_it_is_the_platforms_own(
    ada: Contact, smtp_server: MailServer
) -> None:
    say(ada, messages.FROM_US)

    message = received(smtp_server)

    assert message["From"] == "Nightshift <post@nightshift.example>"
    assert message["Reply-To"] is None
    assert body(message, "plain") == "Good day.\n\n-- \nNightshift\n"
    assert "Sent by Nightshift." in body(message, "html")
    assert "Evergreen" not in message.as_string()


def test_names_the_platform_where_the_settings_do_not(
    ada: Contact, smtp_server: MailServer, settings: Settings
) -> None:
    settings.DEFAULT_FROM_EMAIL = "post@night.example"
    say(ada, messages.FROM_US)

    assert received(smtp_server)["From"] == "Nightshift <post@night.example>"


def test_has_no_reply_address_when_the_firm_gave_none(
    ada: Contact, smtp_server: MailServer
) -> None:
    say(ContactFactory())

    assert received(smtp_server)["Reply-To"] is None


def test_says_the_same_in_text_and_html(ada: Contact, smtp_server: MailServer) -> None:
    say(ada, context={"text": "Dear Ada,\n\nsee https://night.example/x?a=1&b=2\nnow."})

    message = received(smtp_server)

    assert message.get_content_type() == "multipart/alternative"
    assert body(message, "plain") == (
        "Dear Ada,\n\nsee https://night.example/x?a=1&b=2\nnow.\n\n-- \nEvergreen PM\n"
    )
    assert (
        '<p>Dear Ada,</p>\n\n<p>see <a href="https://night.example/x?a=1&amp;b=2">'
        "https://night.example/x?a=1&amp;b=2</a><br>now.</p>"
    ) in body(message, "html")


def test_is_not_signed_twice(ada: Contact, smtp_server: MailServer) -> None:
    say(ada, context={"text": "Good day.\n\nEvergreen PM"})

    assert body(received(smtp_server), "plain") == "Good day.\n\nEvergreen PM\n"


def test_escapes_everything(ada: Contact, smtp_server: MailServer) -> None:
    Firm.objects.update(name="<b>Firm</b>")
    hostile = "<script>alert(1)</script>"
    say(ada, context={"subject": hostile, "text": f"{hostile} https://x.example/{hostile}"})

    message = received(smtp_server)

    assert "<script" not in body(message, "html")
    assert "<b>" not in body(message, "html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body(message, "html")
    assert hostile in body(message, "plain")


def test_escapes_html_that_was_not_made_as_such(ada: Contact, smtp_server: MailServer) -> None:
    say(ada, context={"html": "<img src=x>"})

    assert "&lt;img src=x&gt;" in body(received(smtp_server), "html")


def test_writes_names_and_subjects_of_any_language(
    ada: Contact, smtp_server: MailServer
) -> None:
    Firm.objects.update(name="Müller & Söhne, “Haus”")
    say(ada, context={"subject": "Miete für März: 1 500 € — 家賃", "text": "Grüße — 家賃 🏠"})

    message = received(smtp_server)

    assert message["From"].addresses[0].display_name == "Müller & Söhne, “Haus”"
    assert message["Subject"] == "Miete für März: 1 500 € — 家賃"
    assert body(message, "plain").startswith("Grüße — 家賃 🏠\n")


@pytest.mark.parametrize("type", [messages.RECEIPT, messages.ALARM, messages.BY_EMAIL])
def test_has_no_unsubscribe_link_when_it_is_not_optional(
    ada: Contact, smtp_server: MailServer, type: messages.NotificationType
) -> None:
    say(ada, type)

    message = received(smtp_server)

    assert message["List-Unsubscribe"] is None
    assert message["List-Unsubscribe-Post"] is None
    assert "unsubscribe" not in message.as_string()


def test_can_be_unsubscribed_from_when_it_is_optional(
    ada: Contact, smtp_server: MailServer
) -> None:
    say(ada, messages.NEWS)

    message = received(smtp_server)

    link, mailto = message["List-Unsubscribe"].split(", ")
    prefix = "<https://night.example/notifications/unsubscribe/"
    assert link.startswith(prefix)
    token = link.removeprefix(prefix).removesuffix("/>")
    asked = read_unsubscribe_token(token)
    assert asked is not None
    assert (asked.firm, asked.recipient_key) == (ada.firm, f"contact:{ada.pk}")
    assert asked.category == "marketing"
    assert mailto.startswith("<mailto:post@nightshift.example?subject=unsubscribe%20")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link[1:-1] in body(message, "plain")
    assert link[1:-1] in body(message, "html")


@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("place", ["subject", "firm", "address", "reply_to"])
def test_refuses_a_line_break_in_a_header(sign: str, place: str) -> None:
    evil = f"x{sign}Bcc: eve@example.com"
    facts = {"subject": "s", "firm": "f", "address": "a@example.com", "reply_to": ""}
    facts[place] = evil

    with pytest.raises(Problem, match=r"^line break in a header$"):
        EmailSender().compose(
            Letter(
                reference="delivery-1",
                address=facts["address"],
                words=Words(facts["subject"], "text"),
                firm=Firm(name=facts["firm"]),
                reply_to=facts["reply_to"],
            )
        )


def compose(*, subject: str = "s", name: str = "f", text: str = "t", html: str = "") -> Message:
    return EmailSender().compose(
        Letter(
            reference="delivery-1",
            address="ada@example.com",
            words=Words(subject, text, mark_safe(html)),
            firm=Firm(name=name),
            reply_to="office@example.com",
        )
    )


LINES = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(subject=LINES, name=LINES.filter(bool))
def test_never_writes_a_header_that_was_not_meant(subject: str, name: str) -> None:
    try:
        raw = compose(subject=subject, name=name).as_bytes()
    except Problem:
        return  # a line break
    head = raw.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert names == [
        b"MIME-Version",
        b"Content-Type",
        b"Subject",
        b"To",
        b"Reply-To",
        b"Date",
        b"From",
        b"Message-ID",
        b"Auto-Submitted",
    ]
    assert b"\n" not in head.replace(b"\r\n", b"")


@given(text=LINES, html=LINES, subject=st.text("aä€🏠 -,:", min_size=1, max_size=200))
@example(
    text="x" * 2000 + "\n.\n..\nFrom here\n \t \n=20", html="a\r\rb\r\nc\n", subject="ä" * 300
)
def test_says_on_the_wire_what_the_standard_library_would(
    text: str, html: str, subject: str
) -> None:
    """Written our way and read by the library: the same as written by it and read by it."""
    message = compose(text=text, html=html, subject=subject.strip() or "s")

    ours = message_from_bytes(message.as_bytes(), policy=policy.SMTP)
    theirs = message_from_bytes(message.message().as_bytes(), policy=policy.default)

    for name in ("Subject", "From", "To", "Reply-To", "Message-ID", "Auto-Submitted"):
        assert ours[name] == theirs[name].strip()  # theirs folds a space into long ones
    for kind in ("plain", "html"):
        assert lines(body(ours, kind)) == lines(body(theirs, kind))
    assert max(map(len, message.as_bytes().split(b"\r\n"))) < 998
    assert message.as_bytes().isascii()


def lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text.rstrip("\r\n"))
