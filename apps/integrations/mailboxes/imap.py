"""Mailboxes over IMAP (RFC 3501), through IMAPClient."""

import imaplib
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from typing import Any, cast

from django.conf import settings
from imapclient import IMAPClient
from imapclient.exceptions import ProtocolError
from imapclient.response_parser import parse_fetch_response

from apps.core.batches import batched
from apps.integrations.mailboxes import (
    Account,
    Auth,
    AuthenticationFailed,
    Broken,
    Fetched,
    Folder,
    Listed,
    MailboxError,
    Refused,
    Security,
    Unreachable,
)
from apps.integrations.mailboxes.wire import LITTLE, Connection, peer, tls_context

LOOK = 200  # letters asked about at once
TOGETHER = 25  # letters fetched at once …
SMALL = 65_536  # … if none is larger (bytes)
CHUNK = 524_288  # bytes of a large letter that are fetched at once
HEADER = 262_144  # bytes of a header that anybody should have to read
_LONGEST_ID = 2_000  # bytes of a Message-ID line
_MOST = 2**32 - 1  # of a UID
_SLACK = 65_536  # bytes around what was asked for, for each letter

_SIZE, _DATE = "RFC822.SIZE", "INTERNALDATE"
_ID = f"BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]<0.{_LONGEST_ID}>"

# RFC 5530 has codes for "not now", and large providers say it in their own words. Anything
# else that a server says to a sign-in means that the credentials are no good.
_NOT_NOW = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\]|too many|try again", re.I)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Client(IMAPClient):  # type: ignore[misc]  # the library ships no types
    """IMAPClient on a connection of ours."""

    def _create_IMAP4(self) -> Connection:  # noqa: N802 - the library's name
        return Connection(self.host, self.port, self.ssl_context if self.ssl else None)


class ImapMailbox:
    """An account on an IMAP server that we are signed in to."""

    def __init__(self, account: Account) -> None:
        try:
            with _translated("talk to us"):
                self._client = _connect(account)
        except Refused:
            raise Broken("the server does not speak IMAP") from None
        try:
            with _translated("let us sign in"):
                self._secure(account)
                self._sign_in(account)
        except BaseException:
            self._hang_up()
            raise

    @property
    def _wire(self) -> Connection:
        return cast(Connection, self._client._imap)

    # ---- signing in -----------------------------------------------------------------------

    def _secure(self, account: Account) -> None:
        self._wire.allow(LITTLE)
        if account.security == Security.STARTTLS:
            if not self._client.has_capability("STARTTLS"):
                raise Refused("the server does not offer STARTTLS")
            self._client.starttls(tls_context())
        if account.security == Security.NONE and not peer(self._wire).is_loopback:
            raise Refused("a password is never sent over a network in the clear")

    def _sign_in(self, account: Account) -> None:
        if _CONTROL.search(account.username + account.secret):
            raise AuthenticationFailed("authentication failed")  # or it could be a command
        self._wire.allow(LITTLE)
        try:
            if account.auth == Auth.XOAUTH2:
                self._client.oauth2_login(account.username, account.secret)
            elif self._client.has_capability("AUTH=PLAIN"):
                self._client.plain_login(account.username, account.secret)
            else:
                self._client.login(account.username, account.secret)
        except (imaplib.IMAP4.error, UnicodeEncodeError) as error:
            # IMAPClient calls a connection that is lost just then a failed sign-in, too.
            if isinstance(error.__context__, imaplib.IMAP4.abort):
                raise error.__context__ from None
            if _NOT_NOW.search(str(error)):
                raise Unreachable("the server does not let us sign in now") from None
            raise AuthenticationFailed("authentication failed") from None

    # ---- folders --------------------------------------------------------------------------

    def folders(self) -> list[str]:
        with _translated("list its folders"):
            self._wire.allow(LITTLE)
            listed = self._client.list_folders()
            shut = {b"\\noselect", b"\\nonexistent"}
            return sorted(
                str(name)
                for flags, _, name in listed
                if not shut & {flag.lower() for flag in flags}
            )

    def open(self, name: str) -> Folder:
        if _CONTROL.search(name):
            raise Refused("a folder's name has characters that no folder has")
        with _translated(f"open the folder “{name}”"):
            self._wire.allow(LITTLE)
            told = self._client.select_folder(name, readonly=True)
            uidvalidity = _number(told[b"UIDVALIDITY"], least=1)
            following = _number(told.get(b"UIDNEXT", 1), least=1)
            return Folder(name, uidvalidity, following - 1)

    # ---- letters --------------------------------------------------------------------------

    def uids(self, *, above: int, since: date | None = None) -> list[int]:
        """A range ``n:*`` always means the newest letter as well (RFC 3501, 6.4.8)."""
        criteria: list[Any] = ["UID", f"{above + 1}:*"]
        if since is not None:
            criteria += ["SINCE", since]
        with _translated("list its letters"):
            self._wire.allow(8 * LITTLE)  # a line of a million UIDs
            found = {_number(uid, least=1) for uid in self._client.search(criteria)}
            return sorted(uid for uid in found if uid > above)

    def look(self, uids: Sequence[int]) -> list[Listed]:
        found: list[Listed] = []
        for some in batched(uids, LOOK):
            with _translated("say what letters there are"):
                self._wire.allow(LITTLE)
                told = self._client.fetch(some, [_SIZE, _DATE, _ID])
                found += [_listed(uid, told[uid]) for uid in some if uid in told]
        return found

    def fetch(self, letters: Sequence[Listed]) -> Iterator[Fetched]:
        for some in _together(sorted(letters, key=lambda letter: letter.uid)):
            if some[0].size > SMALL:
                yield from self._large(some[0].uid)
            else:
                yield from self._small([letter.uid for letter in some])

    def _small(self, uids: Sequence[int]) -> Iterator[Fetched]:
        """Ask for several letters; when the connection is lost, some may have arrived."""
        problem: MailboxError | None = None
        try:
            with _translated("hand out letters"):
                self._wire.allow(len(uids) * 2 * (SMALL + _SLACK))
                told = self._client.fetch(uids, ["BODY.PEEK[]"])
        except MailboxError as error:
            problem, told = error, self._arrived()
        for uid in uids:
            if uid in told:
                yield Fetched(uid, _body(told[uid]))
            elif isinstance(problem, Refused) and len(uids) > 1:  # which of them is it?
                yield from self._small([uid])
            elif isinstance(problem, Refused):
                yield Fetched(uid, None)
            elif problem:
                raise problem

    def _arrived(self) -> Mapping[int, Any]:
        """Return the letters that came in whole before their command failed."""
        lines = self._wire.untagged_responses.pop("FETCH", [])
        while lines and not (isinstance(lines[-1], bytes) and lines[-1].endswith(b")")):
            lines.pop()
        try:
            return cast(Mapping[int, Any], parse_fetch_response(lines) if lines else {})
        except (imaplib.IMAP4.error, ValueError, TypeError):
            return {}

    def _large(self, uid: int) -> Iterator[Fetched]:
        raw = bytearray()
        while len(raw) < 2 * settings.MAIL_LARGEST:
            try:
                with _translated("hand out a letter"):
                    self._wire.allow(CHUNK + _SLACK)
                    part = f"BODY.PEEK[]<{len(raw)}.{CHUNK}>"
                    told = self._client.fetch([uid], [part])
            except Refused:
                break
            if uid not in told:
                return  # somebody has deleted it meanwhile
            piece = _body(told[uid]) or b""
            raw += piece
            if len(piece) < CHUNK:
                yield Fetched(uid, bytes(raw))
                return
        yield Fetched(uid, None)  # not to be had, or without an end

    def headers(self, letters: Sequence[Listed]) -> Iterator[Fetched]:
        for letter in sorted(letters, key=lambda letter: letter.uid):
            try:
                with _translated("show a letter's header"):
                    self._wire.allow(HEADER + _SLACK)
                    part = f"BODY.PEEK[HEADER]<0.{HEADER}>"
                    told = self._client.fetch([letter.uid], [part])
            except Refused:
                yield Fetched(letter.uid, None)
                continue
            if letter.uid in told:
                yield Fetched(letter.uid, _body(told[letter.uid]))

    # ---- the end --------------------------------------------------------------------------

    def close(self) -> None:
        with suppress(Exception):
            self._wire.allow(LITTLE)
            self._client.logout()
        self._hang_up()

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._client.shutdown()


def _connect(account: Account) -> _Client:
    tls = account.security == Security.TLS
    client = _Client(
        account.host,
        account.port,
        ssl=tls,
        ssl_context=tls_context() if tls else None,
        timeout=settings.IMAP_TIMEOUT,
    )
    client.normalise_times = False
    client._imap.debug = 0  # IMAPClient has imaplib write every line, and with it passwords
    return client


def _together(letters: Sequence[Listed]) -> Iterator[Sequence[Listed]]:
    """Yield letters as they are fetched: small ones together, a large one alone."""
    some: list[Listed] = []
    for letter in letters:
        if letter.size > SMALL:
            if some:
                yield some
            some = []
            yield [letter]
            continue
        some.append(letter)
        if len(some) == TOGETHER:
            yield some
            some = []
    if some:
        yield some


# ---- what the server says ------------------------------------------------------------------


def _number(told: Any, *, least: int) -> int:
    if not isinstance(told, int) or not least <= told <= _MOST:
        raise Broken("the server counts its letters in an absurd way")
    return told


def _listed(uid: int, told: Mapping[bytes, Any]) -> Listed:
    size, received_at = told.get(b"RFC822.SIZE"), told.get(b"INTERNALDATE")
    return Listed(
        uid,
        size if isinstance(size, int) and size >= 0 else 0,
        _instant(received_at),
        _body(told) or b"",
    )


def _instant(told: Any) -> datetime | None:
    if not isinstance(told, datetime):
        return None
    try:
        return told.astimezone(UTC)
    except (OverflowError, ValueError):  # the year 0 or 10000
        return None


def _body(told: Mapping[bytes, Any]) -> bytes | None:
    """Return the one part of a letter that was asked for."""
    parts: Iterable[Any] = (part for name, part in told.items() if name.startswith(b"BODY["))
    part = next(iter(parts), None)
    if part is None:
        return None
    # What looks like a number was made one.
    return part if isinstance(part, bytes) else str(part).encode()


# ---- what went wrong -----------------------------------------------------------------------

_ABSURD = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


@contextmanager
def _translated(request: str) -> Iterator[None]:
    """Turn the library's errors into ours, without what they carry: the server's texts."""
    try:
        yield
    except MailboxError:
        raise
    except ssl.SSLCertVerificationError:
        raise Unreachable("the server's certificate is not trusted") from None
    except TimeoutError:
        raise Unreachable("the server did not answer in time") from None
    except OSError:
        raise Unreachable("the server could not be reached") from None
    except imaplib.IMAP4.abort as error:
        if "unexpected" in str(error):
            raise Broken("the server's answer cannot be read") from None
        raise Unreachable("the connection was lost") from None
    except ProtocolError:
        raise Broken("the server's answer cannot be read") from None
    except imaplib.IMAP4.error:
        raise Refused(f"the server refused to {request}") from None
    except _ABSURD:
        raise Broken("the server's answer cannot be read") from None
