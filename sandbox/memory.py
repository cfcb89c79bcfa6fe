"""What outlives the process: one JSON file, whole at any moment, for ``--state``.

It has everything that the vendors told somebody and must stand by: accounts, objects, keys
and what was answered to them, orders, tokens, the time, the log, and the callbacks nobody has
taken yet. Hooks, misbehaviours and latency are of one life only. A process that is killed
forgets its last second at most; one that is told to end forgets nothing.

The file has secrets in it, of the sandbox.
"""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.core import Json

if TYPE_CHECKING:
    from sandbox.program import Sandbox

__all__ = ["Memory", "Unreadable"]

VERSION = 2
PAUSE = 1.0  # seconds between two writings


class Unreadable(Exception):  # noqa: N818 - read aloud: what the file is
    """A state file that cannot be gone on from; says so in a sentence."""


class Memory:
    """The state of a sandbox, in a file."""

    def __init__(self, sandbox: "Sandbox", path: Path) -> None:
        self._sandbox = sandbox
        self._core = sandbox.core
        self._path = path
        self._written = 0.0

    def begin(self, *, since: datetime | None = None) -> None:
        """Go on from the file if it is there; then write it, to be sure that it can be.

        A story that began before ``since`` is another world's and not gone on with.
        """
        try:
            kept = self._read()
            if kept and (since is None or float(kept["began"]) >= since.timestamp()):
                self._recall(kept)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise self._unreadable(error.strerror or type(error).__name__) from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._unreadable("it is damaged") from error

    def keep_up(self) -> None:
        """Save the state if anything happened, but not all the time."""
        just_now = 0 <= time.time() - self._written < PAUSE
        if self._core.touched.is_set() and not just_now:
            self.save()

    def save(self) -> None:
        """Write the file; say so on stderr when that is impossible."""
        try:
            self._write()
        except OSError as error:  # a full disk must not stop the callbacks
            print(f"The sandbox could not write {self._path}: {error}", file=sys.stderr)

    def _write(self) -> None:
        with self._core.lock:
            self._core.touched.clear()
            text = json.dumps(self._kept(), ensure_ascii=False, separators=(",", ":"))
        self._written = time.time()
        draft = self._path.with_name(f"{self._path.name}.new")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self._path)

    def _kept(self) -> Json:
        core = self._core
        return {
            "version": VERSION,
            "began": core.began,
            "offset": core.offset,
            "vendors": {name: each.kept() for name, each in self._sandbox.vendors.items()},
            "callbacks": core.callbacks.kept(core),
            "log": core.log.kept(),
        }

    def _read(self) -> Json | None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if kept["version"] != VERSION:
            raise self._unreadable("another version of the sandbox wrote it")
        assert isinstance(kept, dict)
        return kept

    def _recall(self, kept: Json) -> None:
        core, vendors = self._core, self._sandbox.vendors
        with core.lock:
            core.reset()
            core.began, core.offset = float(kept["began"]), float(kept["offset"])
            for name, vendor in vendors.items():
                vendor.reset()
                if name in kept["vendors"]:  # an older file knows fewer
                    vendor.recall(kept["vendors"][name])
            core.callbacks.recall(kept["callbacks"], core, vendors)
            core.log.recall(kept["log"])

    def _unreadable(self, why: str) -> Unreadable:
        return Unreadable(
            f"The sandbox cannot go on from {self._path}: {why}. "
            "Delete the file to begin again with the world."
        )
