"""One exchange with the bank, bounded in time and in size whatever the other side does."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import requests
import urllib3
from django.conf import settings
from requests.auth import AuthBase

from apps.integrations.cards import Unreachable
from apps.integrations.watched import TooLong, WatchedAdapter, once, open_session, read_body

LARGEST_ANSWER = 1_000_000  # bytes; a receipt has about two thousand


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it says."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"  # never a token or a card


class Header(AuthBase):
    """An Authorization header that requests leaves alone: it prefers a .netrc otherwise."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class Wire:
    """Connections to the bank, kept open between calls. Threads may share it.

    What may be repeated without a thought is, once, by itself: a connection that was never
    made, a GET, and asking for a token. Anything else is repeated by whoever asked, with the
    same idempotency key.
    """

    def __init__(self) -> None:
        self._session = open_session()
        self._session.headers["Accept"] = "application/json"
        for prefix, repeatable in (
            ("https://", "GET"),
            ("http://", "GET"),
            (settings.BOG_TOKENS, "POST"),
        ):
            self._session.mount(prefix, _adapter(repeatable))

    def exchange(
        self,
        method: str,
        url: str,
        *,
        auth: AuthBase,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the answer, in about GATEWAY_TIMEOUT seconds.

        Redirects are not followed. Raises ``Unreachable`` when there is no whole answer.
        """
        until = monotonic() + settings.GATEWAY_TIMEOUT
        try:
            with self._session.request(
                method,
                url,
                auth=auth,
                headers=headers,
                json=json,
                data=form,
                timeout=(settings.GATEWAY_TIMEOUT, settings.GATEWAY_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(response.status_code, _read(response.raw, until=until))
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            # Neither the cause nor its text: both repeat addresses, and a body sometimes.
            raise Unreachable("The bank did not answer in time.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            raise Unreachable("The bank could not be reached.") from None

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def _read(raw: urllib3.HTTPResponse, *, until: float) -> bytes:
    try:
        return read_body(raw, until=until, largest=LARGEST_ANSWER)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise Unreachable("The bank's answer did not end in time.") from None
    except TooLong:
        raise Unreachable("The bank's answer was too long.") from None


def _adapter(repeatable: str) -> WatchedAdapter:
    return WatchedAdapter(pool_maxsize=settings.CHARGES_AT_ONCE, max_retries=once(repeatable))
