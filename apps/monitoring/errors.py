"""Sentry, for whoever sets ``SENTRY_DSN``: where and what kind of error, never about whom.

What leaves the building is the kind of an error, its stack, our own log lines and the numbers
of run and job. The text of an error goes only when it is a ``Problem``, which is written to be
read by anybody; that of any other may quote a customer's row.
"""

from typing import Any

import sentry_sdk
from sentry_sdk.types import Event, Hint

from apps.core.logs import discreet
from apps.core.problems import Problem
from apps.core.watching import whereabouts

LEFT_OUT = "(left out)"

# Parts of an event that may speak of a visitor, or repeat what they sent.
_OF_VISITORS = ("user", "extra", "modules")
_OF_REQUEST = ("url", "method")  # kept of a request


def start(dsn: str, *, environment: str, **more: Any) -> None:
    """Send errors to Sentry from now on."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        # What is personal is off unless asked for: the option that says so is deprecated.
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,  # they quote statements and addresses
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        before_send=scrub,
        **more,
    )


def scrub(event: Event, hint: Hint) -> Event | None:
    """Take out of an event whatever may be about somebody, and say which run it was."""
    for part in _OF_VISITORS:
        event.pop(part, None)  # type: ignore[misc]
    if "request" in event:
        asked = event["request"]
        event["request"] = {name: asked[name] for name in _OF_REQUEST if name in asked}
    _leave_out_texts(event, hint)
    scrubbed: Event = _discreet(event)
    tags = {name: str(value) for name, value in whereabouts().items()}
    scrubbed["tags"] = {**(scrubbed.get("tags") or {}), **tags}
    return scrubbed


def _leave_out_texts(event: Event, hint: Hint) -> None:
    raised = (hint or {}).get("exc_info") or (None, None, None)
    values = event.get("exception", {}).get("values", [])
    for number, value in enumerate(values, start=1):
        # The last of a chain is the one that was raised.
        if not (number == len(values) and isinstance(raised[1], Problem)):
            value["value"] = LEFT_OUT
        for frame in (value.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)


def _discreet(thing: Any) -> Any:
    if isinstance(thing, str):
        return discreet(thing)
    if isinstance(thing, dict):
        return {name: _discreet(value) for name, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_discreet(value) for value in thing]
    return thing
