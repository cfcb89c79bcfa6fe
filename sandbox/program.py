"""The whole sandbox: the vendors, their server, and the world they start with."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.bog import Bog
from sandbox.control import add_control
from sandbox.core import Core, Vendor
from sandbox.directory import Directory
from sandbox.log import Call
from sandbox.memory import Memory
from sandbox.server import App, Server
from sandbox.stripe import Stripe
from sandbox.twilio import Twilio
from sandbox.weather import Nws, OpenMeteo

__all__ = ["Sandbox"]


class Sandbox:
    """Every vendor on one port of loopback, and the directory on another.

    with Sandbox() as sandbox:
        sandbox.stripe.add_account(secret_key="sk_test_1")
        stripe.StripeClient("sk_test_1", base_addresses={"api": sandbox.url})
    """

    def __init__(self, *, port: int = 0, directory_port: int = 0, app_url: str = "") -> None:
        self.core = Core()
        self.core.app_url = app_url.rstrip("/")
        self.stripe = Stripe(self.core)
        self.bog = Bog(self.core)
        self.open_meteo, self.nws = OpenMeteo(self.core), Nws(self.core)
        self.twilio = Twilio(self.core)
        self.directory = Directory(self.core, port=directory_port)
        vendors: list[Vendor] = [
            *(self.stripe, self.bog, self.twilio, self.open_meteo, self.nws, self.directory)
        ]
        self.vendors = {vendor.name: vendor for vendor in vendors}
        self._world: tuple[Mapping[str, Any], datetime] | None = None
        self._memory: Memory | None = None
        self.app = App(self.core, self.vendors)
        add_control(self)
        self._server = Server(self.app, port)
        self.url = self._server.url

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._server.start()
        self.directory.server.start()

    def stop(self) -> None:
        """Let go whatever hangs, stop sending, stop listening."""
        self.core.released.set()
        self.core.callbacks.stop()
        self._server.stop()
        self.directory.server.stop()
        if self._memory:
            self._memory.save()

    def send_callbacks(self) -> None:
        """Deliver webhooks by itself from now on, and let time do its part."""
        self.core.callbacks.start(tick=self.tick)

    def tick(self) -> None:
        for vendor in self.vendors.values():
            vendor.tick()
        if self._memory:
            self._memory.keep_up()

    def reset(self, *, world: bool = True) -> None:
        """Forget everything; then load the world again, if there is one and it is wanted."""
        if not world:
            self._world = None
        self.core.reset()
        for vendor in self.vendors.values():
            vendor.reset()
        if self._world:
            self._load(*self._world)

    def load(self, path: Path, *, as_of: date | None = None) -> None:
        """Add what a world file describes, counted back from noon of ``as_of`` (now)."""
        world = json.loads(path.read_text(encoding="utf-8"))
        now = datetime.fromtimestamp(self.core.now(), UTC)
        if as_of:
            now = datetime.combine(as_of, time(12), UTC)
        self._world = (world, now)
        self._load(world, now)

    def remember(self, path: Path, *, since: datetime | None = None) -> None:
        """Go on from a state file instead of the world, and keep it up to date from now on.

        Without the file, or when its story began before ``since``, things stay as they are.
        Raises ``Unreadable``.
        """
        memory = Memory(self, path)
        memory.begin(since=since)
        self._memory = memory

    def _load(self, world: Mapping[str, Any], now: datetime) -> None:
        for name, vendor in self.vendors.items():
            if name in world:
                vendor.load(world[name], now=now)

    @property
    def requests(self) -> list[Call]:
        """Every request, as it came and as it was answered."""
        return list(self.core.log.requests)
