"""Questions to a weather service, bounded in time and in size whatever the other side does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from time import monotonic, sleep
from typing import Any, NoReturn

import requests
import urllib3
from django.conf import settings

from apps.integrations.watched import TooLong, WatchedAdapter, once, open_session, read_body
from apps.integrations.weather import BadCredentials, Refused, Unreachable

LARGEST_ANSWER = 5_000_000  # bytes; a hundred places have about fifty thousand
LONGEST_WAIT = 20.0  # seconds that we wait once in a run when a service asks for it
IN_VAIN = 3  # questions in a row; then the service is not asked again in this run


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str


class Wire:
    """Connections to one service, for one run of a job. Threads may share it.

    A service in trouble must not hold up everybody else's: after a few questions in vain, or
    when it asks for more patience than a run has, or when ``ends`` (of ``monotonic()``) has
    come, nothing is asked any more and each question is ``Unreachable`` at once.
    """

    def __init__(self, headers: Mapping[str, str], *, ends: float) -> None:
        self._session = open_session()
        self._session.headers.update({"Accept": "application/json", **headers})
        self._session.auth = _as_it_is
        for scheme in ("https://", "http://"):
            adapter = WatchedAdapter(
                pool_maxsize=settings.CHARGES_AT_ONCE, max_retries=once("GET")
            )
            self._session.mount(scheme, adapter)
        self._ends, self._lock = ends, Lock()
        self._in_vain, self._has_waited, self._is_over = 0, False, False

    def ask(self, url: str, question: Mapping[str, str]) -> Any:
        """Return the JSON that is answered, decimals as ``Decimal``.

        Raises ``Unreachable`` when there is no whole answer that can be read, ``Refused`` and
        ``BadCredentials``.
        """
        if self._is_over or monotonic() > self._ends:
            raise Unreachable("The weather service is not asked again in this run.")
        try:
            told = _read(self._answer(url, question))
        except BadCredentials:
            self._is_over = True
            raise
        except Unreachable:
            with self._lock:
                self._in_vain += 1
                self._is_over |= self._in_vain >= IN_VAIN
            raise
        with self._lock:
            self._in_vain = 0
        return told

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _answer(self, url: str, question: Mapping[str, str]) -> _Answer:
        answer = self._exchange(url, question)
        if answer.status == 429 and self._waits(answer.retry_after):
            answer = self._exchange(url, question)
        if answer.status == 429:
            self._is_over = True
            raise Unreachable("The weather service wants to be asked less often.")
        return answer

    def _waits(self, retry_after: str) -> bool:
        """Wait as long as the service asks for, if that is short and for the first time."""
        with self._lock:
            if self._has_waited:
                return False
            self._has_waited = True
        try:
            seconds = urllib3.Retry().parse_retry_after(retry_after)
        except urllib3.exceptions.InvalidHeader:
            return False
        if seconds > min(LONGEST_WAIT, self._ends - monotonic()):
            return False
        sleep(seconds)
        return True

    def _exchange(self, url: str, question: Mapping[str, str]) -> _Answer:
        """Send one question, in about WEATHER_TIMEOUT seconds. Redirects are not followed."""
        until = monotonic() + settings.WEATHER_TIMEOUT
        try:
            with self._session.get(
                url,
                params=question,
                timeout=(settings.WEATHER_TIMEOUT, settings.WEATHER_TIMEOUT),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = read_body(response.raw, until=until, largest=LARGEST_ANSWER)
                after = response.headers.get("Retry-After", "")
                return _Answer(response.status_code, body, after)
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            # Neither the cause nor its text: they repeat the address, and the key in it.
            raise Unreachable("The weather service did not answer in time.") from None
        except TooLong:
            raise Unreachable("The weather service's answer was too long.") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            raise Unreachable("The weather service could not be reached.") from None


def _read(answer: _Answer) -> Any:
    if answer.status in {401, 403}:
        raise BadCredentials("The weather service does not accept who we say we are.")
    if answer.status in {400, 404, 422}:
        raise Refused(f"The weather service refused (HTTP {answer.status}).")
    if answer.status != 200:
        raise Unreachable(f"The weather service did not answer (HTTP {answer.status}).")
    try:
        return json.loads(answer.body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Unreachable("The weather service's answer cannot be read.") from None


def _no_number(constant: str) -> NoReturn:
    raise ValueError  # NaN and Infinity, which JSON does not have


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no password that a .netrc has for the service's host."""
    return request
