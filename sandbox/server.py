"""The HTTP server: finds the vendor, keeps the log, and spoils the wire on command."""

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Flask, Response, g, json, request
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from sandbox.core import Core, Vendor
from sandbox.log import Call

__all__ = ["App", "Server"]

HOST = "127.0.0.1"


class App(Flask):
    """The vendors' routes, with everything around each request that no vendor should know."""

    def __init__(self, core: Core, vendors: Mapping[str, Vendor]) -> None:
        super().__init__("sandbox", static_folder=None)
        self.config["PROPAGATE_EXCEPTIONS"] = True
        self.core = core
        self.vendors = vendors
        for vendor in vendors.values():
            self.register_blueprint(vendor.blueprint())

    def full_dispatch_request(self) -> Response:
        try:
            return self._dispatched()
        finally:
            if request.method != "GET":
                self.core.touched.set()

    def _dispatched(self) -> Response:
        for vendor in self.vendors.values():
            vendor.tick()
        for vendor in self.vendors.values():
            if request.path.startswith(vendor.prefixes):
                return self._answer(vendor, super().full_dispatch_request)
        return super().full_dispatch_request()

    def _answer(self, vendor: Vendor, view: Callable[[], Response]) -> Response:
        """Run one of the vendor's views, with what it was told to suffer before and after."""
        core = self.core
        params = _params()
        facts = {"vendor": vendor.name, "method": request.method, "path": request.path}
        call = core.log.open(at=core.now(), params=params, **facts)
        g.call = call
        call.plan = core.misbehaviours.take(params=params, **facts)
        call.misbehaved = sorted(call.plan)
        try:
            for hook in list(core.on_request):
                hook(call)
            response = self._before(call) or view()
            for hook in list(core.before_answer):
                hook(call)
            response = self._after(call, response)
            call.status = response.status_code
            return response
        finally:
            core.log.close(call)

    def _before(self, call: Call) -> Response | None:
        if call.told("die_before") is not None:
            self._die()
        if call.told("timeout_before") is not None:
            self._hang()
        if call.told("reset_before") is not None:
            _reset()
        if (told := call.told("rate_limit")) is not None:
            retry_after = str(told.get("retry_after", 1))
            return _error(429, "Too many requests", {"Retry-After": retry_after})
        if (told := call.told("error_before")) is not None:
            return _error(int(told.get("status", 500)), "An unknown error occurred.")
        return None

    def _after(self, call: Call, response: Response) -> Response:
        if call.told("die_after") is not None:
            self._die()
        if call.told("timeout_after") is not None:
            self._hang()
        if call.told("reset_after") is not None:
            _reset()
        if (told := call.told("error_after")) is not None:
            return _error(int(told.get("status", 500)), "An unknown error occurred.")
        if call.told("malformed") is not None:
            half = response.get_data()[: len(response.get_data()) // 2]
            return Response(half, response.status_code, content_type=response.content_type)
        if (told := call.told("trickle")) is not None:
            drops = self._trickle(float(told.get("every", 0.2)))
            return Response(drops, response.status_code, content_type=response.content_type)
        return response

    def _hang(self) -> None:
        self.core.released.wait()
        _reset()

    def _trickle(self, every: float) -> Iterator[bytes]:
        released = self.core.released
        while not released.wait(every):
            yield b" "  # valid before any JSON document, so a parser would wait on

    def _die(self) -> None:
        if not self.core.mortal:
            raise RuntimeError("only a sandbox that is a process of its own may die")
        os._exit(1)


def _params() -> dict[str, Any]:
    if request.is_json:
        body = request.get_json(silent=True)
        return dict(body) if isinstance(body, dict) else {}
    return {**request.args.to_dict(), **request.form.to_dict()}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    error = {"type": "api_error", "message": message}
    if status == 429:
        error |= {"type": "invalid_request_error", "code": "rate_limit"}
    body = {"error": error}
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _reset() -> None:
    """Close the connection so that the other side sees a reset, not an end."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # an answer that drips has no length
    disable_nagle_algorithm = True  # or an answer may wait 40 ms for an acknowledgement

    def log(self, type: str, message: str, *args: Any) -> None:
        """Tell of mistakes of the sandbox itself only; it keeps its own log of requests."""
        if type == "error":
            sys.stderr.write(message % args if args else message)

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        self.server.connections.discard(self.connection)  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):  # the other side may be gone
            super().finish()

    def connection_dropped(
        self, error: BaseException, environ: Mapping[str, Any] | None = None
    ) -> None:
        self.close_connection = True


class _Sockets(ThreadedWSGIServer):
    daemon_threads = True

    def __init__(self, port: int, app: App) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(HOST, port, app, _Handler)

    def server_activate(self) -> None:
        """Not yet: who listens is ready to answer."""

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # no polite goodbye: it would turn a reset into an end


class Server:
    """The app on a port of loopback, in a thread."""

    def __init__(self, app: App, port: int = 0) -> None:
        self._sockets: BaseWSGIServer = _Sockets(port, app)
        self._thread = threading.Thread(
            target=self._sockets.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="sandbox",
            daemon=True,
        )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._sockets.server_port}"

    def start(self) -> None:
        self._sockets.socket.listen(self._sockets.request_queue_size)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut every connection that is still open."""
        self._sockets.shutdown()
        self._thread.join()
        self._sockets.server_close()
        for connection in list(getattr(self._sockets, "connections", ())):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
