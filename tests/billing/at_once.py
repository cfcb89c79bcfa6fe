"""Several things at the same moment, each with a connection of its own."""

import time
from collections.abc import Callable
from threading import Barrier, Thread

from django.db import connection, connections


def at_once(*acts: Callable[[], object]) -> list[Exception]:
    """Do everything at the same time and return what went wrong."""
    barrier, errors = Barrier(len(acts)), list[Exception]()

    def run(act: Callable[[], object]) -> None:
        try:
            barrier.wait()
            act()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def until_somebody_waits() -> None:
    """Wait until another transaction of PostgreSQL waits for a lock of ours."""
    waiting = "SELECT 1 FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone():
                return
        time.sleep(0.01)
    raise AssertionError("nobody waited")
