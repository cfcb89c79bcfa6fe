"""The guard at every door of the building: does this database know this machine?

Somebody restores last night's copy of production on a laptop and starts a worker: nobody may
be written to, charged or looked up by it, until somebody says that this is its place now
(``manage.py trust_machine``).
"""

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.core.watching import Blocked
from apps.installations.identity import this_installation

if TYPE_CHECKING:
    from apps.installations.models import Installation

SENTENCE = (
    "This database does not know this machine, so nothing leaves the building: "
    "is it a copy? See manage.py trust_machine."
)
_SEEN_EVERY = timedelta(hours=1)

_checked: tuple[float, bool] | None = None  # when (monotonic), and whether we are strange


class Strange(Blocked):
    """Nothing may leave the building from here. No item's fault: it ends the run."""

    def __init__(self) -> None:
        super().__init__(SENTENCE)


def refuse_if_strange() -> None:
    """Raise ``Strange`` on a machine that this database does not know.

    Call it before anything is written down about what is to leave. The database is asked
    once in ``MACHINE_CHECKED_EVERY`` seconds and process, so it costs an item nothing, and a
    yes takes effect without a restart. Threads may call it.
    """
    if is_strange():
        raise Strange


def is_strange() -> bool:
    """Tell whether this database does not know this machine."""
    global _checked  # noqa: PLW0603 - of a process, as the machine is
    checked = _checked
    if checked is None or time.monotonic() - checked[0] >= settings.MACHINE_CHECKED_EVERY:
        _checked = checked = (time.monotonic(), not _is_known())
    return checked[1]


def trust_this_machine() -> "Installation":
    """Let things leave from here, from now on."""
    from apps.installations.models import Installation  # noqa: PLC0415 - as in _is_known

    ours = this_installation()
    seen = {"name": ours.name, "last_seen_at": timezone.now()}
    installation, _ = Installation.objects.update_or_create(key=ours.key, defaults=seen)
    forget()
    return installation


def forget() -> None:
    """Ask the database again the next time."""
    global _checked  # noqa: PLW0603 - as above
    _checked = None


def _is_known() -> bool:
    # The doors are imported by programs that have no apps: the sandbox's, the benchmarks'.
    from apps.installations.models import Installation  # noqa: PLC0415

    fresh = connection.connection is None
    try:
        ours = Installation.objects.filter(key=this_installation().key)
        seen = ours.values_list("last_seen_at", flat=True).first()
        now = timezone.now()
        if seen is not None and now - seen > _SEEN_EVERY and not connection.in_atomic_block:
            ours.update(last_seen_at=now)
        return seen is not None
    finally:
        # Nobody else would close the connection of a thread that only asks a bank.
        if fresh and threading.current_thread() is not threading.main_thread():
            connection.close()
