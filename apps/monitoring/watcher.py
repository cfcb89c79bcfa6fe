"""The watcher: a thread in each web process that looks after the jobs once a minute.

Clusters cannot report their own death, and a crontab may be missing. Web processes are alive
whenever somebody would miss the jobs. Of all of them one looks each minute: a row in the
database says whose turn it is (``services.look_if_due``).
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from django import db
from django.conf import settings
from django.utils import timezone

from apps.monitoring.services import look_if_due

logger = logging.getLogger(__name__)

SOONEST, LATEST = 1.0, 60.0  # seconds between two tries
AFTER_TROUBLE = 15.0  # seconds: the database may be back


class Watcher(threading.Thread):
    """Looks until it is told to stop. Nothing that goes wrong ends it, or its process."""

    def __init__(self, *, clock: Callable[[], datetime] = timezone.now) -> None:
        super().__init__(name="watcher", daemon=True)
        self._clock = clock
        self._told_to_stop = threading.Event()

    def run(self) -> None:
        delay = SOONEST  # the process has to serve first
        while not self._told_to_stop.wait(delay):
            delay = self.turn()

    def stop(self) -> None:
        """End after the look in hand."""
        self._told_to_stop.set()

    def turn(self) -> float:
        """Look if it is our turn; return after how many seconds to try again."""
        try:
            due = look_if_due(now=self._clock())
            return min(max((due - self._clock()).total_seconds(), SOONEST), LATEST)
        except Exception as error:
            if isinstance(error, db.Error):  # its text may repeat rows, and it will go on
                logger.warning("The watcher has no database: %s", type(error).__name__)
            else:
                logger.exception("The watcher could not look")
            return AFTER_TROUBLE
        finally:
            db.connections.close_all()  # this thread's own; others have theirs


def start() -> Watcher | None:
    """Start the watcher of this process, unless the settings say that nobody shall watch."""
    if not settings.WATCHER:
        return None
    watcher = Watcher()
    watcher.start()
    return watcher
