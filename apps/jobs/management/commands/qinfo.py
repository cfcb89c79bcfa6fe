"""The command ``qinfo``: Django-Q2's, without its secrets and with an exit status."""

import time
from typing import Any

from django.core.management.base import CommandError
from django_q import VERSION
from django_q.conf import Conf
from django_q.management.commands import qinfo
from django_q.status import Stat

LOOKING = 3.0  # seconds before there is no cluster

# What may be shown. Anything else, known or yet to come, may hold a key or a password.
SHOWN = (
    "ACK_FAILURES",
    "BROKER_CLASS",
    "BULK",
    "CACHE",
    "CACHED",
    "CATCH_UP",
    "CLUSTER_NAME",
    "COMPRESSED",
    "CPU_AFFINITY",
    "DAEMONIZE_WORKERS",
    "GUARD_CYCLE",
    "LABEL",
    "LOG_LEVEL",
    "MAX_ATTEMPTS",
    "MAX_RSS",
    "ORM",
    "POLL",
    "PREFIX",
    "QSIZE",
    "QUEUE_LIMIT",
    "Q_STAT",
    "RECYCLE",
    "RETRY",
    "SAVE_LIMIT",
    "SAVE_LIMIT_PER",
    "SCHEDULER",
    "SYNC",
    "TESTING",
    "TIMEOUT",
    "TIME_ZONE",
    "WORKERS",
)


class Command(qinfo.Command):  # type: ignore[misc]  # Django-Q2 ships no types
    """Exit status 1 when no cluster is running, so that a monitor can ask."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["config"]:
            self.stdout.write(f"VERSION: {'.'.join(str(part) for part in VERSION)}")
            for name in SHOWN:
                if (value := getattr(Conf, name, None)) is not None:
                    self.stdout.write(f"{name}: {value}")
            return
        found = is_any_running()
        super().handle(*args, **options)
        if not found:
            raise CommandError("No cluster is running.")


def is_any_running() -> bool:
    """Look for a while: a cluster says that it runs every second, and a busy one later."""
    deadline = time.monotonic() + LOOKING
    while not Stat.get_all():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
