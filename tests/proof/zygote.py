"""The process from which workers are forked: ``python -m tests.proof.zygote``.

It has loaded Django and every job, has one thread and no connection, and reads one order a
line. A worker then costs a tenth of what a fresh interpreter would, and a kill is still a
real ``kill -9`` of a real process.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pydoc import locate
from typing import Any

import django
import time_machine

from tests.proof.workers import Order

PATIENCE = 60.0  # seconds; a worker that hangs is a finding, not an ordered death


def main() -> None:
    """Carry out orders until there are no more."""
    django.setup()
    _load()
    _tell("ready")
    for line in sys.stdin:
        _tell(_carry_out(Order(**json.loads(line))))


def _load() -> None:
    import stripe  # noqa: F401
    from django.db import connections
    from django_q import worker  # noqa: F401

    from apps.integrations.cards import get_cards
    from apps.integrations.payments import get_payments
    from apps.webhooks.handling import handlers
    from tests.proof.points import JOBS

    for steps in JOBS.values():
        assert locate(steps.function)
    handlers()
    get_payments(provider="stripe", secret_key="sk_test_nobody").close()
    get_cards(provider="bog", client_id="nobody", client_secret="none").close()
    connections.close_all()


def _tell(what: object) -> None:
    print(json.dumps(what), flush=True)


def _carry_out(order: Order) -> list[int]:
    """Fork the workers, let them go together, and return how each ended."""
    gate, opener = os.pipe()
    pids = []
    for number in range(order.workers):
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            _live(order, gate, doomed=number == 0)
        pids.append(pid)
    os.close(gate)
    os.close(opener)  # whoever reads from the gate sees its end now
    until = time.monotonic() + PATIENCE
    return [_wait(pid, until) for pid in pids]


def _wait(pid: int, until: float) -> int:
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGABRT)  # not one of the ordered deaths
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# ---- in the worker --------------------------------------------------------------------------


def _live(order: Order, gate: int, *, doomed: bool) -> None:
    """Be a worker, to the end of the process."""
    try:
        os.dup2(2, 1)  # the line on which endings are told is not for a job's words
        os.read(gate, 1)
        with time_machine.travel(order.now, tick=True):
            _prepare(order, doomed=doomed)
            _DELIVERIES[order.how](order)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _prepare(order: Order, *, doomed: bool) -> None:
    from tests.proof.plants import PLANTS
    from tests.proof.points import JOBS, Point, die_at, sign_requests

    sign_requests()
    if order.plant:
        PLANTS[order.plant]()
    if order.point and doomed:
        die_at(Point(order.point), JOBS[order.job], nth=order.nth)


def _as_service(order: Order) -> None:
    """Call the function as a schedule made by hand does: nobody records, nobody locks."""
    _function(order)(**order.arguments)


def _as_command(order: Order) -> None:
    from django.core.management import CommandError, call_command

    with suppress(CommandError):  # some items failed; the next run sees to them
        call_command(order.job, **order.arguments)


def _as_task(order: Order) -> None:
    """Let Django-Q2's own worker execute the task, with everything our cluster adds to it."""
    from django_q.worker import worker

    incoming: Any = multiprocessing.Queue()
    outgoing: Any = multiprocessing.Queue()
    incoming.put(
        {
            "id": order.task,
            "name": f"proof-{order.job}",
            "func": f"{_function(order).__module__}.{order.job}",
            "args": (),
            "kwargs": order.arguments,
            "started": datetime.now(UTC),
        }
    )
    incoming.put("STOP")
    worker(incoming, outgoing, multiprocessing.Value("f", -1), int(PATIENCE))
    outgoing.cancel_join_thread()


def _function(order: Order) -> Any:
    from tests.proof.points import JOBS

    if order.job in JOBS:
        return locate(JOBS[order.job].function)
    from apps.jobs.job import find

    return find(order.job).service


_DELIVERIES = {"service": _as_service, "command": _as_command, "task": _as_task}


if __name__ == "__main__":
    main()
