"""A mail server that keeps what it is given and misbehaves on request.

with mail_server() as server:
    server.refuse("bob@example.com", code=550)  # every mail to Bob
    server.refuse_next(code=552)                # the next message, whoever it is for
    server.drop_next(keep=True)                 # takes the message, loses the answer
    server.hang_next()                          # never answers
    ...
    assert [mail.recipients for mail in server.messages] == [["ada@example.com"]]
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
ACCEPTED = "250 2.0.0 Accepted"
ANSWERS = {
    450: "450 4.2.1 Mailbox busy, try again later",
    550: "550 5.1.1 No such mailbox",
    552: "552 5.2.2 Mailbox full",
}

Behaviour = Callable[["Mail", SMTP], Awaitable[str]]

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd tells every line it reads


@dataclass(frozen=True)
class Mail:
    """One accepted message, as it came over the wire."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class MailServer:
    """What a test sees of the server: the mail it took, and how to spoil the next."""

    def __init__(self, *, starttls: bool, login: tuple[str, str] | None) -> None:
        self.messages: list[Mail] = []
        self.connections = 0
        self.login = login
        self.certificates = trustme.CA() if starttls else None
        self._refused: dict[str, str] = {}
        self._next: deque[Behaviour] = deque()
        self._controller = _Controller(self)

    @property
    def port(self) -> int:
        return int(self._controller.port)

    @property
    def url(self) -> str:
        """The server as an EMAIL_URL, for processes that read the environment."""
        scheme = "smtp+tls" if self.certificates else "smtp"
        person = "{}:{}@".format(*self.login) if self.login else ""
        return f"{scheme}://{person}{HOST}:{self.port}"

    def refuse(self, recipient: str, *, code: int) -> None:
        """Refuse this recipient, until told to ``accept`` it again."""
        self._refused[recipient.lower()] = _answer(code)

    def accept(self, recipient: str) -> None:
        self._refused.pop(recipient.lower(), None)

    def refuse_next(self, *, code: int) -> None:
        """Refuse the next message after reading it."""

        async def refuse(mail: Mail, session: SMTP) -> str:
            return _answer(code)

        self._next.append(refuse)

    def drop_next(self, *, keep: bool = False) -> None:
        """Cut the connection while the next message waits for its answer.

        With ``keep`` the message was taken: the sender cannot know, and may send it twice.
        """

        async def drop(mail: Mail, session: SMTP) -> str:
            if keep:
                self.messages.append(mail)
            session.transport.abort()
            return ACCEPTED

        self._next.append(drop)

    def hang_next(self) -> None:
        """Never answer the next message."""

        async def hang(mail: Mail, session: SMTP) -> str:
            await asyncio.get_running_loop().create_future()
            return ACCEPTED

        self._next.append(hang)

    # ---- what aiosmtpd calls, in the server's thread ----

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        refusal = self._refused.get(address.lower())
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        return ACCEPTED

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
            message=message_from_bytes(
                envelope.content.replace(b"\r\n", b"\n"), policy=policy.default
            ),
        )
        if self._next:
            return await self._next.popleft()(mail, server)
        self.messages.append(mail)
        return ACCEPTED

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = (
            (data.login.decode(), data.password.decode())
            if isinstance(data, LoginPassword)
            else None
        )
        return AuthResult(success=given == self.login, handled=False)


class _Controller(Controller):
    """aiosmtpd's thread, on a port the kernel chose, counting connections."""

    def __init__(self, server: MailServer) -> None:
        options: dict[str, Any] = {}
        if server.login:
            options |= {
                "authenticator": server.authenticate,
                "auth_required": True,
                "auth_require_tls": server.certificates is not None,
            }
        if server.certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.certificates.issue_cert(HOST, "localhost").configure_cert(context)
            options |= {"tls_context": context, "require_starttls": True}
        super().__init__(server, hostname=HOST, port=0, **options)
        self._mail_server = server
        self._sessions: list[SMTP] = []

    def factory(self) -> SMTP:
        self._mail_server.connections += 1
        session = super().factory()
        self._sessions.append(session)
        return session

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(timeout=10)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        """Close what is still open: aiosmtpd leaves that to the garbage collector."""
        for session in self._sessions:
            # After STARTTLS: the socket's own transport, as TLS may be half gone.
            transport = session._original_transport or session.transport
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0.01)  # for the loop to tell the sessions

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
        self._mail_server.connections = 0  # that one was aiosmtpd's own


@contextmanager
def mail_server(
    *, starttls: bool = False, login: tuple[str, str] | None = None
) -> Iterator[MailServer]:
    """Serve mail on loopback; ``starttls`` and ``login`` are demanded of every client."""
    server = MailServer(starttls=starttls, login=login)
    server._controller.start()
    try:
        yield server
    finally:
        server._controller.stop()


def _answer(code: int) -> str:
    return ANSWERS.get(code, f"{code} {code // 100}.0.0 Refused")
