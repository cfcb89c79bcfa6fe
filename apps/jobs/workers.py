"""Which process does the work, and whether it still lives."""

import os
import socket

import psutil

# Linux counts a process's start from a boot time that the clock's corrections move by a
# second or two; no process id comes round again within that time.
DRIFT = 5  # seconds

# Start times hang on the boot time, which clock adjustments move a little.
_TOLERANCE = 5  # seconds


def this_process() -> str:
    """Return ``host:pid:start time``, which no later process can have again."""
    return f"{socket.gethostname()}:{os.getpid()}:{int(psutil.Process().create_time())}"


def is_dead(worker: str) -> bool:
    """Tell whether a process of this host is gone; of other hosts nothing can be told."""
    host, _, rest = worker.partition(":")
    pid, _, started = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit() or not started.isdigit():
        return False
    try:
        process = psutil.Process(int(pid))
        return (
            process.status() == psutil.STATUS_ZOMBIE
            or abs(process.create_time() - int(started)) > _TOLERANCE
        )
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def is_in_group(worker: str, group: int) -> bool:
    """Tell whether a process of this host lives and belongs to a process group."""
    host, _, rest = worker.partition(":")
    pid, _, _ = rest.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return os.getpgid(int(pid)) == group
    except OSError:
        return False
