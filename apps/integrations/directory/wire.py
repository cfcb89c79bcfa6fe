"""LDAP answers with an end: nobody waits for ever, and no part passes for the whole.

A read time-out begins again with each byte, so an answer that drips never meets it: another
thread hangs up when it is time. The bytes of one answer are counted. A search whose result
is anything but success raises, also when entries came before it.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from threading import Event, Timer
from typing import Any

from django.conf import settings
from ldap3 import BASE, NONE, SIMPLE, SUBTREE, Connection, Server, Tls
from ldap3.core import results
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInvalidFilterError,
    LDAPInvalidPortError,
    LDAPSocketOpenError,
    LDAPStartTLSError,
)
from ldap3.operation.search import parse_filter, raw_attributes_to_dict_fast
from pyasn1.error import PyAsn1Error

from apps.integrations.directory import (
    DirectoryBroken,
    DirectoryDown,
    DirectoryRefused,
    DirectoryUntrusted,
    Place,
    Security,
)

PORTS = {Security.LDAPS: 636, Security.STARTTLS: 389}
PAGE = 500  # entries; a controller gives at most 1,000 at once
LARGEST = 8 * 1024 * 1024  # bytes of one answer
PATIENCE = 3  # time-outs that one answer may take from its first byte to its last

Raw = Mapping[str, Sequence[bytes]]  # attribute → values, whichever case it is asked in
Control = tuple[str, bool, Any]

_PAGED = "1.2.840.113556.1.4.319"
_ENTRY = 4  # SearchResultEntry (RFC 4511, 4.5.2)
_FORBIDDEN = {
    results.RESULT_INVALID_CREDENTIALS: "the user or the password is wrong",
    results.RESULT_INSUFFICIENT_ACCESS_RIGHTS: "the account may not read this",
    results.RESULT_NO_SUCH_OBJECT: "there is nothing at that place",
    results.RESULT_INVALID_DN_SYNTAX: "that is no distinguished name",
    results.RESULT_STRONGER_AUTH_REQUIRED: "it wants a safer connection",
    results.RESULT_CONFIDENTIALITY_REQUIRED: "it wants a safer connection",
    results.RESULT_UNWILLING_TO_PERFORM: "it is unwilling",
}


class Wire:
    """A connection to one server, signed in; asks and waits no longer than it may."""

    def __init__(self, place: Place, server: str) -> None:
        if not (place.user and place.password):  # without one, anybody would be signed in
            raise DirectoryRefused("The directory's user or password is missing.")
        host, port = _reached(place, server)
        name = place.certificate_name or _host_and_port(place, server)[0]
        try:
            tls = _StrictTls(_context(place), name)
            there = Server(
                host,
                port,
                use_ssl=place.security == Security.LDAPS,
                tls=tls,
                get_info=NONE,
                connect_timeout=settings.DIRECTORY_TIMEOUT,
            )
            self._connection = Connection(
                there,
                place.user,
                place.password,
                authentication=SIMPLE,
                read_only=True,
                auto_referrals=False,
                auto_range=False,
                return_empty_attributes=False,
                check_names=False,
                receive_timeout=settings.DIRECTORY_TIMEOUT,
            )
        except (LDAPException, ssl.SSLError) as error:
            raise DirectoryRefused(
                f"The directory's connection cannot be used: {_reason(error)}."
            ) from error
        # ldap3 puts an answer together from what it reads at once: few pieces, few copies.
        strategy: Any = self._connection.strategy
        strategy.socket_size = 65_536
        strategy.decode_response_fast = partial(_decoded, strategy.decode_response_fast)
        self._server = server
        try:
            self._begin(place.security)
        except BaseException:
            self.close()
            raise

    def _begin(self, security: Security) -> None:
        connection = self._connection
        with self._patient(opening=True):
            connection.open(read_server_info=False)
            if security == Security.STARTTLS:
                connection.start_tls(read_server_info=False)
        connection.socket = _Metered(connection.socket)
        self._answer(connection.bind)

    def close(self) -> None:
        """Hang up, without waiting for the other side."""
        with suppress(OSError, LDAPException):
            self._connection.strategy.close()
        left: Any = self._connection.socket  # of a connection that never came about
        if left is not None:
            left.close()

    # ---- asking ---------------------------------------------------------------------------

    def look(
        self, dn: str, attributes: Sequence[str], *, controls: Sequence[Control] = ()
    ) -> Raw:
        """Return the attributes of one entry; an empty ``dn`` is the server itself.

        Raises ``DirectoryRefused`` when there is none.
        """
        entries = self._search(
            dn, "(objectClass=*)", BASE, attributes=attributes, controls=list(controls)
        )
        if len(entries) != 1:
            raise DirectoryBroken("The directory answered with another entry than asked for.")
        found: Raw = entries[0]["raw_attributes"]
        return found

    def pages(
        self,
        base: str,
        filter: str,
        attributes: Sequence[str],
        *,
        controls: Sequence[Control] = (),
    ) -> Iterator[list[tuple[bytes, Raw]]]:
        """Yield raw names and attributes of what matches below a base, page by page.

        References to other servers are left out: credentials are for this one only.
        """
        cookie: bytes | None = None
        while True:
            entries = self._search(
                base,
                filter,
                SUBTREE,
                attributes=attributes,
                controls=list(controls),
                paged_size=PAGE,
                paged_cookie=cookie,
            )
            before, cookie = cookie, self._cookie()
            yield [
                (bytes(entry["raw_dn"]), entry["raw_attributes"])
                for entry in entries
                if entry["type"] == "searchResEntry"
            ]
            if not cookie:
                return
            if not entries and cookie == before:
                raise DirectoryBroken("The directory gives the same page without an end.")

    def _search(self, base: str, filter: str, scope: Any, **how: Any) -> list[dict[str, Any]]:
        connection = self._connection
        self._answer(lambda: connection.search(base, filter, scope, **how))
        found: list[dict[str, Any]] = connection.response or []
        return found

    def _cookie(self) -> bytes:
        try:
            control = self._connection.result["controls"][_PAGED]
            return bytes(control["value"]["cookie"] or b"")
        except (KeyError, TypeError):
            # Without it, nobody can know whether this was all.
            raise DirectoryBroken("The directory does not page its answers.") from None

    def _answer(self, ask: Callable[[], object]) -> None:
        """Ask, and raise unless the answer came whole and says success."""
        connection = self._connection
        with self._patient():
            connection.socket.taken = 0
            ask()
        code = (connection.result or {}).get("result")
        if code == results.RESULT_SUCCESS:
            return
        if code in _FORBIDDEN:
            raise DirectoryRefused(f"The directory refuses: {_FORBIDDEN[code]}.")
        said = str((connection.result or {}).get("description") or "nothing")
        raise DirectoryDown(f"The directory gave no whole answer ({said}).")

    @contextmanager
    def _patient(self, *, opening: bool = False) -> Iterator[None]:
        """Hang up when the block takes too long, and say in words what went wrong in it."""
        late = Event()
        watch = Timer(settings.DIRECTORY_TIMEOUT * PATIENCE, self._hang_up, [late])
        watch.daemon = True
        watch.start()
        try:
            yield
        except (OSError, LDAPException) as error:
            if opening and not late.is_set() and _is_distrust(error):
                raise DirectoryUntrusted(
                    f"{self._server} cannot prove to be the directory's server: "
                    "its certificate is not signed by who is trusted, or not for this name."
                ) from error
            if isinstance(error, LDAPInvalidFilterError):
                raise DirectoryRefused("The directory's filter cannot be read.") from error
            raise DirectoryDown(f"No whole answer from {self._server}.") from error
        except (PyAsn1Error, ValueError, IndexError, KeyError, TypeError) as error:
            # ldap3 lets through whatever its decoder trips over.
            raise DirectoryBroken(f"{self._server} does not speak LDAP.") from error
        finally:
            watch.cancel()
        if late.is_set():
            raise DirectoryDown(f"No whole answer from {self._server}.")

    def _hang_up(self, late: Event) -> None:
        late.set()
        there: Any = self._connection.socket
        if there is not None:
            with suppress(OSError):
                socket.socket.shutdown(getattr(there, "inner", there), socket.SHUT_RDWR)


def _decoded(others: Callable[[Any], dict[str, Any]], message: Any) -> dict[str, Any]:
    """Decode one message of an answer; of an entry its bytes alone.

    ldap3 would read every value as text as well: a third of what its answer costs, and unused
    here, where texts are cleaned on the way in.
    """
    if message["protocolOp"] != _ENTRY:
        return others(message)
    name, attributes = message["payload"][:2]
    read: Any = raw_attributes_to_dict_fast
    raw = read(attributes[3])
    return {"type": "searchResEntry", "raw_dn": name[3], "raw_attributes": raw}


class _Metered:
    """A socket that gives no more than so many bytes of one answer."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner = inner
        self.taken = 0

    def recv(self, size: int) -> bytes:
        data = self.inner.recv(size)
        self.taken += len(data)
        if self.taken > LARGEST:
            raise OSError("an answer longer than any")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _StrictTls(Tls):
    """TLS that asks for a certificate of that very name, as OpenSSL compares names."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._name = context, name

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._name
        )


def parsed(filter: str) -> None:
    """Raise ``DirectoryRefused`` for what is not one whole filter."""
    parse: Any = parse_filter
    try:
        parse(filter, None, False, None, None, False)
    except (LDAPException, ValueError, IndexError, UnicodeError) as error:
        raise DirectoryRefused("That is no LDAP filter.") from error


# ---- where ----------------------------------------------------------------------------------


def _reached(place: Place, server: str) -> tuple[str, int]:
    """Return where a server is reached: where ``DIRECTORY_HOSTS`` says, else by its name."""
    host, port = _host_and_port(place, server)
    elsewhere = settings.DIRECTORY_HOSTS.get(host)
    return _split(elsewhere, port) if elsewhere else (host, port)


def _host_and_port(place: Place, server: str) -> tuple[str, int]:
    return _split(server, PORTS[place.security])


def _split(address: str, port: int) -> tuple[str, int]:
    try:
        return str(ip_address(address)), port  # of version 6, without brackets or port
    except ValueError:
        host, _, given = address.rpartition(":")
    if not host:
        return address, port
    if not given.isascii() or not given.isdigit():
        raise DirectoryRefused(f"The directory's server '{address}' has no such port.")
    return host.strip("[]"), int(given)


def _context(place: Place) -> ssl.SSLContext:
    """Return whom to trust: the connection's own authority, else this host's."""
    if place.authority:
        return ssl.create_default_context(cadata=place.authority)
    context = ssl.create_default_context()
    if settings.DIRECTORY_CA:
        context.load_verify_locations(settings.DIRECTORY_CA)
    return context


# ---- words ----------------------------------------------------------------------------------


def _reason(error: Exception) -> str:
    if isinstance(error, LDAPInvalidPortError):
        return "there is no such port"
    if isinstance(error, ssl.SSLError):
        return "its authority's certificate cannot be read"
    return "the server has no name"


def _is_distrust(error: Exception) -> bool:
    """Whether a certificate was the reason; ldap3 passes on only the words of OpenSSL."""
    distrusted = isinstance(error, LDAPStartTLSError | LDAPSocketOpenError | ssl.SSLError)
    return distrusted and "CERTIFICATE_VERIFY_FAILED" in str(error)
