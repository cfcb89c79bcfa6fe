"""Where a job can be killed: named points, found from outside, with no hook in the program.

A job that moves money takes three steps (spec A5.4): it claims, it asks, it records.
``Steps`` say how the steps of each job look from outside, as SQL and as HTTP; a ``Point``
lies before, in or after one of them. Statements are seen by Django's ``execute_wrapper``,
requests in ``requests``, and what the provider does in the sandbox's own hooks.
"""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from sandbox.core import Core
    from sandbox.log import Call

WORKER = "X-Worker"  # the header that tells the sandbox whom to kill


class Point(StrEnum):
    """When the worker dies."""

    BEFORE_CLAIM = "before the claim"  # the statement is about to be sent
    IN_CLAIM = "in the claim"  # it was executed and is not committed
    AFTER_CLAIM = "after the claim"  # its transaction has just been committed
    BEFORE_CALL = "before the call"  # the request is about to leave
    DURING_CALL = "during the call"  # the provider is working on it
    AFTER_YES = "after the provider's yes"  # done there, and nobody was told
    BEFORE_RECORD = "before the record"  # the answer has arrived
    IN_RECORD = "in the record"  # the statement was executed and is not committed
    AFTER_RECORD = "after the record"  # its transaction has just been committed


@dataclass(frozen=True)
class Steps:
    """How a job's three steps look from outside."""

    function: str
    claim: str  # how the statement begins
    call: tuple[str, str]  # method and path
    record: str

    def calls(self, method: str, path: str) -> bool:
        return method == self.call[0] and fnmatchcase(path.partition("?")[0], self.call[1])


JOBS = {
    "process_recurring_charges": Steps(
        function="apps.billing.services.process_recurring_charges",
        claim=r'INSERT INTO "billing_paymentattempt"',
        call=("POST", "/v1/payment_intents"),
        record=r'UPDATE "billing_paymentattempt"',
    ),
    "process_recurring_payments": Steps(
        function="apps.subscriptions.services.process_recurring_payments",
        claim=r'INSERT INTO "subscriptions_paymentorder"',
        call=("POST", "*/subscribe"),
        record=r'UPDATE "subscriptions_paymentorder"',
    ),
    # What the callbacks lead to: the same ledgers, written from another side.
    "process_webhook_events": Steps(
        function="apps.webhooks.services.process_webhook_events",
        claim=r'UPDATE "webhooks_webhookevent"',
        call=("GET", "*"),
        record=r'UPDATE "(billing_paymentattempt|subscriptions_paymentorder)"',
    ),
}
AT_THE_PROVIDER = frozenset({Point.DURING_CALL, Point.AFTER_YES})


class Fuse:
    """Kills a process when it is passed for the n-th time."""

    def __init__(self, nth: int) -> None:
        self._left = nth
        self._lock = Lock()  # the calls are made by threads

    def burn(self, pid: int | None = None) -> None:
        """Pass it; the process is this one unless another is given."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(pid or os.getpid(), signal.SIGKILL)


# ---- in the worker --------------------------------------------------------------------------


def die_at(point: Point, steps: Steps, *, nth: int) -> None:
    """Let this process be killed at a point that lies in the worker."""
    fuse = Fuse(nth)
    if point in {Point.BEFORE_CLAIM, Point.IN_CLAIM, Point.AFTER_CLAIM}:
        _watch_statements(steps.claim, point, fuse)
    elif point in {Point.IN_RECORD, Point.AFTER_RECORD}:
        _watch_statements(steps.record, point, fuse)
    elif point == Point.BEFORE_CALL:
        watch_requests(before=lambda asked: _burn_for(asked, steps, fuse))
    elif point == Point.BEFORE_RECORD:
        watch_requests(after=lambda asked: _burn_for(asked, steps, fuse))


def _watch_statements(begins: str, point: Point, fuse: Fuse) -> None:
    marks = re.compile(begins).match

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        marked = marks(sql)
        if marked and point == Point.BEFORE_CLAIM:
            fuse.burn()
        result = execute(sql, *rest)
        if marked and point in {Point.IN_CLAIM, Point.IN_RECORD}:
            fuse.burn()
        if marked and point in {Point.AFTER_CLAIM, Point.AFTER_RECORD}:
            transaction.on_commit(fuse.burn)
        return result

    connection.execute_wrappers.append(wrapper)


def _burn_for(asked: PreparedRequest, steps: Steps, fuse: Fuse) -> None:
    if steps.calls(str(asked.method), asked.path_url):
        fuse.burn()


Look = Callable[[PreparedRequest], None]


def watch_requests(*, before: Look | None = None, after: Look | None = None) -> None:
    """Look at each request as it leaves, and at each whose answer has come."""
    send = HTTPAdapter.send

    def watched(
        adapter: HTTPAdapter, request: PreparedRequest, *rest: Any, **how: Any
    ) -> Response:
        if before:
            before(request)
        answer = send(adapter, request, *rest, **how)
        if after:
            after(request)
        return answer

    HTTPAdapter.send = watched  # type: ignore[assignment,method-assign]


def sign_requests() -> None:
    """Let every request say which process it comes from."""

    def sign(request: PreparedRequest) -> None:
        request.headers[WORKER] = str(os.getpid())

    watch_requests(before=sign)


# ---- at the provider ------------------------------------------------------------------------


@contextmanager
def killed_by_provider(core: "Core", point: Point, steps: Steps, *, nth: int) -> Iterator[None]:
    """Let the sandbox kill whoever asks, at a point that lies on its side."""
    from flask import request  # not in the workers, which never come here

    fuse = Fuse(nth)

    def hook(call: "Call") -> None:
        if steps.calls(call.method, call.path):
            fuse.burn(int(request.headers[WORKER]))

    hooks = core.on_execute if point == Point.DURING_CALL else core.before_answer
    hooks.append(hook)
    try:
        yield
    finally:
        hooks.remove(hook)
