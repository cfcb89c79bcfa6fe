"""E-mail: how a message is built, and how the mail server's answers are read."""

import re
import smtplib
from binascii import b2a_qp
from contextlib import suppress
from email.header import Header
from email.utils import formataddr, formatdate, parseaddr
from functools import cache, lru_cache
from secrets import token_hex
from urllib.parse import quote

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import get_template
from django.urls import reverse
from django.utils.encoding import punycode

from apps.core.problems import Problem
from apps.installations.leaving import refuse_if_strange
from apps.notifications.paragraphs import as_html
from apps.notifications.sending import ChannelDown, Letter, Refused

PLATFORM = "Nightshift"  # where DEFAULT_FROM_EMAIL gives no name

# Replies that say: there is no such mailbox (RFC 5321 4.2.3, RFC 3463 5.1.x).
_BOUNCE = {550, 551, 553}
_ENHANCED = re.compile(rb"^\s*([245]\.\d{1,3}\.\d{1,3})\b")
_LINE = 900  # RFC 5322 allows 998 bytes; a folded link in a header is often misread
_ADDRESS = re.compile(r"""[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[^\s@<>()[\]\\,;:"]+""")
_PREVIEW = 110  # characters
_LINE_END = re.compile(r"\r\n|\r|\n")
_CLOSING = 421  # the server ends the connection with this answer
_TOO_BIG = 552  # the one refusal of a sender that is about the message


class Message(EmailMultiAlternatives):
    """Django's message, written to bytes by a shorter way.

    Django's and the standard library's way costs more than handing the result over. The
    tests read both with the library and compare, character by character.
    """

    def as_bytes(self) -> bytes:
        """Return the message as it goes over the wire."""
        boundary = f"=={token_hex(16)}=="
        headers = {
            "MIME-Version": "1.0",
            "Content-Type": f'multipart/alternative; boundary="{boundary}"',
            "Subject": self.subject,
            "To": self.to[0],
            **({"Reply-To": self.reply_to[0]} if self.reply_to else {}),
            "Date": formatdate(),
            **self.extra_headers,
        }
        lines = [*(_header(name, value) for name, value in headers.items()), ""]
        for kind, text in (("plain", self.body), ("html", self.alternatives[0][0])):
            encoding, written = _encoded(str(text))
            lines += [
                f"--{boundary}",
                f'Content-Type: text/{kind}; charset="utf-8"',
                f"Content-Transfer-Encoding: {encoding}\r\n",
                written,
            ]
        return "\r\n".join([*lines, f"--{boundary}--\r\n"]).encode("ascii")


class EmailSender:
    """Sends over one SMTP connection, which is opened with the first message."""

    def __init__(self) -> None:
        self._connection: BaseEmailBackend | None = None

    def compose(self, letter: Letter) -> "Message":
        """Return a message of text and HTML to one recipient."""
        words, firm = letter.words, letter.firm
        platform, sender = _mailbox(settings.DEFAULT_FROM_EMAIL)
        name = platform if letter.from_platform else firm.name
        for value in (words.subject, name, letter.address, letter.reply_to):
            _refuse_breaks(value)
        link = unsubscribe_url(letter.unsubscribe) if letter.unsubscribe else ""
        text = f"{words.text.rstrip()}\n"
        if not words.text.rstrip().endswith(name):
            text += f"\n-- \n{name}\n"
        if link:
            text += f"\nNo more of these messages: {link}\n"
        message = Message(
            subject=words.subject,
            body=text,
            from_email=sender,
            to=[_ascii_address(letter.address)],
            reply_to=[letter.reply_to] if letter.reply_to else None,
            headers={"From": formataddr((name, sender)), **_headers(letter, link, sender)},
        )
        body = words.html or as_html(words.text)
        facts = {"sender": name, "locale": firm.locale, "subject": words.subject}
        facts |= {"body": body, "unsubscribe": link, "preview": _preview(words.text)}
        page = get_template("notifications/email.html").render(facts)
        message.attach_alternative(page, "text/html")
        return message

    def send(self, message: "Message") -> str:
        """Hand one message to the mail server."""
        backend = self._open()
        smtp = getattr(backend, "connection", None)
        try:
            if isinstance(smtp, smtplib.SMTP):
                smtp.sendmail(message.from_email, message.to, message.as_bytes())
            else:  # a development setting: console, file, memory
                backend.send_messages([message])
        except smtplib.SMTPException as error:
            raise self._read(error) from None
        except OSError as error:
            raise self._lost(error) from None
        except ValueError:  # Django's and the codecs' own, with the address in its text
            raise Refused("cannot be written as e-mail", final=True) from None
        return ""

    def close(self) -> None:
        """Leave the mail server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):  # it has left already
                connection.close()

    def _open(self) -> BaseEmailBackend:
        refuse_if_strange()
        if self._connection is None:
            connection: BaseEmailBackend = get_connection()
            try:
                connection.open()
            except OSError as error:  # SMTPException is one
                with suppress(OSError):
                    connection.close()
                code = getattr(error, "smtp_code", "")
                why = f"{type(error).__name__} {code}".strip()
                raise ChannelDown(f"mail server not usable ({why})") from None
            self._connection = connection
        return self._connection

    def _read(self, error: smtplib.SMTPException) -> Problem:
        """Return what an answer of the server means."""
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Refused("cannot be written as e-mail", final=True)
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            code, text = next(iter(error.recipients.values()))
        elif isinstance(error, smtplib.SMTPResponseException):
            code, text = error.smtp_code, _bytes(error.smtp_error)
        else:
            return self._lost(error)
        reply, enhanced = _reply(code, text)
        if code == _CLOSING:
            self.close()
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            # 550 is also said by servers that mistrust us (5.7.x) or whose mailbox is shut
            # for now (5.2.x): no reason to give an address up for ever.
            gone = enhanced.startswith("5.1.") if enhanced else code in _BOUNCE
            return Refused(reply, final=code >= 500, bounced=gone)
        if isinstance(error, smtplib.SMTPHeloError):
            self.close()
            return ChannelDown(f"mail server not usable ({reply})")
        if isinstance(error, smtplib.SMTPSenderRefused) and 500 <= code != _TOO_BIG:
            return ChannelDown(f"mail server refuses the sender ({reply})")
        return Refused(reply, final=code >= 500)

    def _lost(self, error: OSError) -> Refused:
        self.close()
        return Refused(f"connection lost ({type(error).__name__})", broken=True)


def unsubscribe_url(token: str) -> str:
    """Return the address where a recipient ends optional messages."""
    return settings.SITE_URL + _unsubscribe_path().replace("TOKEN", token)


@cache
def _unsubscribe_path() -> str:
    return reverse("notifications:unsubscribe", args=["TOKEN"])


def _headers(letter: Letter, link: str, sender: str) -> dict[str, str]:
    domain = sender.rpartition("@")[2]
    headers = {
        "Message-ID": f"<{letter.reference}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    if link:
        # To the platform's own mailbox, which is read by a program (services/bounces.py).
        subject = quote(f"unsubscribe {letter.unsubscribe}")
        headers["List-Unsubscribe"] = f"<{link}>, <mailto:{sender}?subject={subject}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


@lru_cache(maxsize=8)
def _mailbox(written: str) -> tuple[str, str]:
    """Return the name and the address that the platform writes from."""
    name, address = parseaddr(written)
    return name or PLATFORM, address


def _encoded(text: str) -> tuple[str, str]:
    """Return how a text is written in lines that every mail server takes, and so written."""
    lines = _LINE_END.split(text)
    if text.isascii() and max(map(len, lines)) <= _LINE:
        return "7bit", "\r\n".join(lines)
    return "quoted-printable", b2a_qp("\r\n".join(lines).encode()).decode("ascii")


def _header(name: str, value: str) -> str:
    line = f"{name}: {value}"
    if len(line) <= _LINE and line.isascii() and line.isprintable():
        return line
    encoded = Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
    return f"{name}: {encoded}"


def _preview(text: str) -> str:
    """Return what a list of messages shows beside the subject: how the text begins."""
    return " ".join(text[: 3 * _PREVIEW].split())[:_PREVIEW]


def _refuse_breaks(value: str) -> None:
    """Refuse what could begin another header line (spec A10.9)."""
    if value and value.splitlines() != [value]:
        raise Problem("line break in a header")


def _ascii_address(address: str) -> str:
    """Return an address as mail servers know it: the domain in its ASCII form."""
    if _ADDRESS.fullmatch(address) is None:
        raise Problem("not an e-mail address")
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{punycode(domain)}"
    except UnicodeError:
        raise Problem("not an e-mail address") from None


def _reply(code: int, text: bytes) -> tuple[str, str]:
    """Return a reply as it may be kept, and its enhanced code.

    Of the text only that code: the rest often repeats the address.
    """
    match = _ENHANCED.match(text)
    enhanced = match.group(1).decode() if match else ""
    return f"{code} {enhanced}".strip(), enhanced


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="replace")
