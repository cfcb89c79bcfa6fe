"""What Stripe's library sends its requests through."""

from collections.abc import Mapping
from time import monotonic

import requests
import stripe
import urllib3

from apps.integrations.watched import WatchedAdapter, open_session, read_body

LARGEST_ANSWER = 16_000_000  # bytes; a page of a hundred payments has less than one million


class Wire(stripe.HTTPClient):
    """One request and its answer, in bounded time. Threads may share it.

    The library's own client keeps a session for each thread, which nobody closes, and waits
    for ever for an answer that drips. Here connections are kept for all, and nothing is
    repeated: who asked decides that.
    """

    name = "requests"

    def __init__(self, *, timeout: float, connections: int) -> None:
        """Allow about ``timeout`` seconds for an answer and keep ``connections`` open."""
        super().__init__()
        self._timeout = timeout
        self._session = open_session()
        self._session.auth = _as_it_is
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, WatchedAdapter(pool_maxsize=connections))

    def request(  # type: ignore[override]  # the library's own clients take no ``_usage``
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Return an answer's body, status and headers.

        Redirects are not followed. Raises ``stripe.APIConnectionError``, whose text is only
        the kind of the error, when there is no whole answer.
        """
        until = monotonic() + self._timeout
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=post_data,
                timeout=(self._timeout, self._timeout),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = read_body(answer.raw, until=until, largest=LARGEST_ANSWER)
                return body, answer.status_code, answer.headers
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # Not their texts: those repeat addresses, and with them ids of customers.
            kind = type(error).__name__
            raise stripe.APIConnectionError(kind) from None  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the key in its header alone: without this, a .netrc would replace it."""
    return request
