"""Twilio, through its own library.

Twilio knows no idempotency keys: the same request twice is two messages. So what must not be
sent twice is never asked for twice. A request whose answer was lost is ``Unknown``, for good;
if Twilio did take it, the callback whose address names the message says so later. After an
error of Twilio's own (500, 503) its list of messages is asked: there, it was sent; not there,
it may be sent later.
"""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from apps.integrations.sms import AccountDown, Later, NotTaken, Text, Unknown
from apps.integrations.watched import WatchedAdapter, open_session, read_body

LARGEST_ANSWER = 1_000_000  # bytes; a message has about a thousand
LOOK_BACK = timedelta(minutes=5)  # the same words to the same number before are others'
LOOK_AT = 50  # messages of the list

# https://www.twilio.com/docs/api/errors
OPTED_OUT = frozenset({21610})
BAD_NUMBER = frozenset({21211, 21217, 21614, 30005, 30006})
LATER = frozenset({20429, 21611, 30001})  # too many at once
ACCOUNT = frozenset(
    {
        20003, 20005, 20008,  # credentials, a closed account, test credentials
        21212, 21603, 21606, 21659, 21660,  # the sender
        21701, 21703, 30002,  # the messaging service, a suspended account
    }
)  # fmt: skip
_ASK = frozenset({500, 503})  # Twilio's own words; 502 and 504 are a proxy's
_TOO_MANY = 429


class TwilioTexts:
    """One account at Twilio, over connections that are kept."""

    def __init__(self, *, account_sid: str, auth_token: str, sender: str) -> None:
        self._wire = Wire(timeout=settings.SMS_TIMEOUT)
        self._client = Client(account_sid, auth_token, http_client=self._wire)
        service = sender.startswith("MG")
        self._from = {"messaging_service_sid" if service else "from_": sender}

    def send(self, text: Text) -> str:
        """Hand over a message; see the module about what is asked again."""
        asked_at = datetime.now(UTC)
        try:
            made = self._client.messages.create(
                to=text.to, body=text.body, status_callback=text.callback, **self._from
            )
        except (TwilioRestException, TwilioServiceException) as error:
            if error.status in _ASK:
                return self._find(text, since=asked_at - LOOK_BACK)
            raise _read(error) from None
        except (TwilioException, ValueError, TypeError, KeyError):  # an answer of no use
            raise Unknown("unknown whether it was sent (malformed answer)") from None
        if not made.sid:
            raise Unknown("unknown whether it was sent (malformed answer)")
        return str(made.sid)

    def close(self) -> None:
        """Give the connections back."""
        self._wire.close()

    def _find(self, text: Text, *, since: datetime) -> str:
        """Return the id of a message that an error of Twilio's hid, or raise ``Later``."""
        try:
            for one in self._client.messages.list(to=text.to, limit=LOOK_AT):
                if one.body == text.body and one.date_created and one.date_created >= since:
                    return str(one.sid)
        except (TwilioException, Unknown, AccountDown, ValueError, TypeError, KeyError):
            raise Unknown("unknown whether it was sent (500, and no list)") from None
        raise Later("out of order")


class Wire(TwilioHttpClient):  # type: ignore[misc]  # the library ships no types
    """What the library sends its requests through: to ``TWILIO_API``, in bounded time.

    The library's own keeps what it was told last, logs it, and waits for ever for an answer
    that drips. Nothing is repeated here.
    """

    def __init__(self, *, timeout: float) -> None:
        """Allow about ``timeout`` seconds for an answer."""
        super().__init__(pool_connections=False, timeout=timeout)
        self._seconds = timeout
        self._kept = open_session()
        for scheme in ("https://", "http://"):
            self._kept.mount(scheme, WatchedAdapter())

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Return an answer, whatever it says.

        Raises ``AccountDown`` when there was no connection, so that nothing can have been
        sent, and ``Unknown`` when there is no whole answer.
        """
        until = monotonic() + self._seconds
        try:
            with self._kept.request(
                method.upper(),
                settings.TWILIO_API + urlsplit(url)._replace(scheme="", netloc="").geturl(),
                params=params,  # type: ignore[arg-type]  # the library's own names
                data=data,
                headers=headers,
                auth=auth,
                timeout=(self._seconds, self._seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = read_body(answer.raw, until=until, largest=LARGEST_ANSWER)
                told = body.decode("utf-8", "replace")
                return Response(answer.status_code, told, dict(answer.headers))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # Not their texts: those repeat addresses, and with them numbers.
            kind = type(error).__name__
            if _never_connected(error):
                raise AccountDown(f"not reachable ({kind})") from None
            raise Unknown(f"unknown whether it was sent ({kind})") from None

    def close(self) -> None:
        """Give the connections back."""
        self._kept.close()


def _never_connected(error: BaseException) -> bool:
    """Tell whether an error came before a word was said: no host, no line, no trust in it.

    Other errors of TLS may come in the middle.
    """
    why: Any = error
    while isinstance(why, BaseException):
        if isinstance(why, _BEFORE):
            return True
        inner = getattr(why, "reason", None)
        why = inner if isinstance(inner, BaseException) else next(iter(why.args), None)
    return False


_BEFORE = (
    requests.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    ssl.SSLCertVerificationError,
)


def _read(error: TwilioRestException | TwilioServiceException) -> Exception:
    """Return what an answer of Twilio's means, by its code and without its words."""
    code, status = error.code or 0, error.status
    name = str(code or status)
    if code in OPTED_OUT:
        return NotTaken(name, opted_out=True)
    if code in BAD_NUMBER:
        return NotTaken(name, bad_number=True)
    if code in LATER or status == _TOO_MANY:
        return Later(name)
    if code in ACCOUNT or status in {401, 403}:
        return AccountDown(f"refused ({name})")
    if 400 <= status < 500:
        return NotTaken(name)
    return Unknown(f"unknown whether it was sent ({status})")
