"""Who we are: a machine and the database it works on, told by facts that stay."""

import hashlib
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import connection

_MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A machine with a database: what tells it from others, and what people call it."""

    key: str
    name: str


def this_installation() -> Identity:
    """Return who we are.

    The database's address is part of it: a copy beside the original, on the same server, is
    not the original. ``INSTALLATION`` stands for the machine where several are one, or where
    each deployment is another.
    """
    address = _address()
    named: str = settings.INSTALLATION
    machine = ["installation", named] if named else [_machine_id(), socket.gethostname()]
    key = hashlib.sha256("\0".join([*machine, address]).encode()).hexdigest()
    name = f"{named or socket.gethostname()} with {address}"
    return Identity(key, name if len(name) <= 200 else f"{name[:199]}…")


def _address() -> str:
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(Path(str(found["NAME"])).absolute())
    host = str(found.get("HOST") or "")
    where = "localhost" if host in _LOCAL else host
    return f"{where}:{found.get('PORT') or 5432}/{found['NAME']}"


@cache
def _machine_id() -> str:
    """Return what the operating system calls itself, or nothing where it does not."""
    for path in _MACHINE_IDS:
        try:
            return Path(path).read_text().strip()
        except OSError:
            continue
    return ""
