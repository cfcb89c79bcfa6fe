"""HTTP answers with an end: nobody waits for ever, whatever the other side does.

A read time-out begins again with each byte, so an answer that drips never meets it. While
the headers come, another thread hangs up when it is time; the body is read with a clock and
a greatest size.
"""

import socket
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from threading import Event, Timer
from time import monotonic
from typing import Any, Self

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

PATIENCE = 1.25  # times a read time-out for all headers together
_CHUNK = 65_536


def open_session() -> requests.Session:
    """Return a session that keeps no cookies and asks for answers as they are.

    Compressed ones could grow beyond any bound while they are unpacked.
    """
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "identity"
    return session


def read_body(raw: urllib3.HTTPResponse, *, until: float, largest: int) -> bytes:
    """Return the body of an answer that was asked for with ``stream=True``, uncompressed.

    Raises ``requests.ReadTimeout`` after ``until`` (of ``monotonic()``), plus at most one
    read time-out, and ``TooLong`` beyond ``largest`` bytes.
    """
    body = bytearray()
    # read() would wait for a whole chunk, however slowly its bytes drip in.
    while chunk := raw.read1(_CHUNK, decode_content=False):
        body += chunk
        if monotonic() > until:
            raise requests.ReadTimeout
        if len(body) > largest:
            raise TooLong
    return bytes(body)


class TooLong(requests.RequestException):
    """An answer had more bytes than anybody asked for."""


class Once(urllib3.Retry):
    """Ask once more, by itself: for what may be repeated, and never of whoever is slow."""

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        error = kwargs.get("error")
        never_made = isinstance(error, urllib3.exceptions.NewConnectionError)
        if isinstance(error, urllib3.exceptions.TimeoutError) and not never_made:
            raise error  # or whoever is slow would be waited for twice
        return super().increment(*args, **kwargs)


def once(method: str) -> Once:
    """Return the rule that a request of this method is repeated once, if that is harmless.

    A connection that was never made is made again whatever the method.
    """
    return Once(
        total=1,
        allowed_methods={method},
        status_forcelist=(502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # it may ask for an hour
    )


class WatchedAdapter(HTTPAdapter):
    """Connections that hang up when the headers of an answer take longer than a read may."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class _Watched(HTTPConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        late = Event()
        # By now this is the read time-out. An answer that does not even begin meets that.
        watch = Timer(float(self.timeout or 0) * PATIENCE, self._hang_up, [late])
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()
            if late.is_set():  # headers that were cut off look like whole ones
                raise TimeoutError

    def _hang_up(self, late: Event) -> None:
        late.set()
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # beneath TLS too


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS
