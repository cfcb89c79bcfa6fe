"""The processes that the demo starts, and how they end."""

import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

PATIENCE = 30.0  # seconds a process gets to end by itself


def free_port(wanted: int) -> int:
    """Return ``wanted`` if nobody listens there on loopback, else some free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise OSError("no free port on 127.0.0.1")


class Processes:
    """Python processes of this project, each in a session of its own.

    A Ctrl-C in the terminal then reaches only this process, which passes it on in order:
    a SIGTERM to a whole Django-Q2 group would hang it.
    """

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start ``python arguments…``."""
        self._running[name] = subprocess.Popen(
            [sys.executable, *arguments], start_new_session=True, stdin=subprocess.DEVNULL
        )

    def wait_for(self, name: str, port: int | None) -> None:
        """Wait until a process listens on its port of loopback; exit if it ended instead."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                raise SystemExit(f"The {name} process ended before it listened.")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port or 0)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"nobody listens on port {port}")

    def wait(self) -> int:
        """Wait until one of the processes ends by itself; that is an error."""
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    print(f"The {name} process ended ({process.returncode}).", file=sys.stderr)
                    return 1
            time.sleep(0.5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
