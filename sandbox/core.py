"""What every vendor of the sandbox stands on, and how a new one plugs in.

A vendor (Stripe, the Bank of Georgia) is one class in a module or package of its own::

    class Bog(Vendor):
        name = "bog"                # its key in the world file, and in /_sandbox/bog/…
        prefixes = ("/bog/",)       # the paths that are its: logged, and able to misbehave
        verbs = frozenset({"add_order"})  # its methods that the control API may call by name

        def reset(self): ...        # forget everything, accounts too
        def load(self, world, *, now): ...  # its part of the world file
        def state(self): ...        # what GET /_sandbox/state shows of it, no secrets
        def blueprint(self): ...    # flask.Blueprint with its routes
        def kept(self): ...         # all of it, secrets too, as JSON: for --state
        def recall(self, kept): ... # be again what ``kept`` said, after a reset
        def signer(self, id): ...   # what signs the callback of this id
        def tick(self): ...         # optional: what falls due by the clock alone

It is made once, in ``program.py``, with the shared ``Core``; tests reach it as
``sandbox.bog``. A verb takes JSON values by keyword and returns JSON: the same
method serves ``sandbox.bog.add_order(...)`` and ``POST /_sandbox/bog/add_order {...}``.

What a view does::

    call = current_call()           # this request, already in the log
    call.account = "merchant-1"     # who asks: a name, never a secret
    call.idempotency_key = ...      # if it has one
    self.core.during(call)          # "it is being worked on": hooks, latency, slowness;
                                    # never call it while holding the lock
    with self.core.lock:            # state is only touched under the lock
        told = call.told("decline") # a misbehaviour that the vendor plays itself, or None
        self.core.log.effect(call=call, vendor="bog", kind="charge", ...)  # money moved

Everything that spoils the wire (time-outs, resets, 5xx, 429, broken bodies) is done around
the view by ``server.py``; a vendor need not know. Callbacks to the outside are handed to
``core.callbacks.send(Callback(...))``, which loses, doubles, delays or forges them on command.
Use ``core.now()`` for every time that is part of the vendor's story (it can be shifted).
What changes without a request, in ``tick``, says so with ``core.touched.set()``.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from flask import Blueprint, g

from sandbox.callbacks import Callbacks, Signer
from sandbox.log import Call, Log
from sandbox.misbehaviour import Misbehaviours

__all__ = ["Core", "Json", "Vendor", "current_call"]

Json = dict[str, Any]
Hook = Callable[[Call], None]


def current_call() -> Call:
    """Return the request that is being answered, as the log keeps it."""
    call: Call = g.call
    return call


class Core:
    """What the vendors share: one lock, one clock, one log, one list of misbehaviours.

    The hooks run in the thread of the request, outside the lock: ``on_request`` when it
    arrived, ``on_execute`` while it is being worked on (its idempotency key is in flight),
    ``before_answer`` when everything is done and nobody was told yet.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log = Log()
        self.misbehaviours = Misbehaviours()
        self.callbacks = Callbacks()
        self.released = threading.Event()  # set: whatever hangs may go
        self.touched = threading.Event()  # set: there is something new to write down
        self.mortal = False  # a process of its own, which may be told to die
        self.app_url = ""  # completes addresses that are only a path
        self.reset()

    def reset(self) -> None:
        """Forget everything; requests that still hang are let go."""
        self.released.set()
        self.released = threading.Event()
        with self.lock:
            self.began = time.time()  # when this story did, by the real clock
            self.offset = 0.0  # seconds by which the vendors' clocks are ahead
            self.latency = 0.0  # seconds every answer takes
            self.on_request: list[Hook] = []
            self.on_execute: list[Hook] = []
            self.before_answer: list[Hook] = []
            self.log.reset()
            self.misbehaviours.reset()
            self.callbacks.reset()

    def now(self) -> float:
        """Return the vendors' time in seconds; in a test, what time_machine says."""
        return time.time() + self.offset

    def address(self, url: str) -> str:
        """Return an address whole; a path is one of the application under test."""
        return self.app_url + url if url.startswith("/") else url

    def path_of(self, url: str) -> str:
        """Return the application's own addresses as paths: it may move between two lives."""
        inside = self.app_url and url.startswith(f"{self.app_url}/")
        return url.removeprefix(self.app_url) if inside else url

    def during(self, call: Call) -> None:
        """Run what happens while a request is worked on. Not to be called under the lock."""
        for hook in list(self.on_execute):
            hook(call)
        slow = call.told("slow")
        seconds = self.latency + (float(slow.get("seconds", 0)) if slow else 0)
        if seconds:
            self.released.wait(seconds)


class Vendor:
    """One company the sandbox plays. See the module's docstring."""

    name: ClassVar[str]
    prefixes: ClassVar[tuple[str, ...]]
    verbs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, core: Core) -> None:
        self.core = core

    def reset(self) -> None:
        raise NotImplementedError

    def load(self, world: Mapping[str, Any], *, now: datetime) -> None:
        raise NotImplementedError

    def state(self) -> Json:
        raise NotImplementedError

    def blueprint(self) -> Blueprint:
        raise NotImplementedError

    def kept(self) -> Json:
        raise NotImplementedError

    def recall(self, kept: Json) -> None:
        raise NotImplementedError

    def signer(self, id: str) -> Signer:
        raise NotImplementedError

    def tick(self) -> None:
        """Do what has fallen due; called before every request and now and then."""
