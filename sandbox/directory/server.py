"""The listener: TLS, StartTLS, one thread for each connection, and every way to go wrong."""

import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Any, Protocol

import trustme

from sandbox.core import Core
from sandbox.directory import messages
from sandbox.directory.messages import Request
from sandbox.log import Call

__all__ = ["HOST", "Server"]

HOST = "dc1.directory.example"  # whom its certificate names
LISTENS = "127.0.0.1"
_TLS_BEGINS = 0x16  # the first byte of a handshake; LDAP begins with 0x30
_HUGE = b"\x30\x84\x7f\xff\xff\xff"  # a message of two gibibytes


class Answer(Protocol):
    """What the domain says to a request."""

    def __call__(
        self, request: Request, *, is_safe: bool, is_known: bool
    ) -> Iterator[bytes]: ...


class Server:
    """A domain's controller on a port of loopback."""

    def __init__(self, core: Core, answer: Answer, port: int = 0) -> None:
        authority = trustme.CA()
        self.authority: bytes = authority.cert_pem.bytes()  # PEM: who signs its certificate
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self.context)
        self.core, self.answer = core, answer
        self._sockets = _Sockets((LISTENS, port), _Conversation, bind_and_activate=False)
        self._sockets.server_bind()
        self._sockets.owner = self
        self._thread = threading.Thread(
            target=self._sockets.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="directory",
            daemon=True,
        )

    @property
    def address(self) -> str:
        return f"{LISTENS}:{self._sockets.server_address[1]}"

    def start(self) -> None:
        self._sockets.server_activate()
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut every connection that is still open."""
        self._sockets.shutdown()
        self._thread.join()
        self._sockets.server_close()
        for connection in list(self._sockets.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Sockets(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    owner: Server

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(*args, **kwargs)


class _Conversation(socketserver.BaseRequestHandler):
    """One connection, from its first byte to its last."""

    server: _Sockets

    def handle(self) -> None:
        self.core, self.is_safe, self.is_known = self.server.owner.core, False, False
        self.socket: socket.socket = self.request
        self.server.connections.add(self.request)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):  # the other side may be gone at any moment
            if self.socket.recv(1, socket.MSG_PEEK)[:1] == bytes([_TLS_BEGINS]):
                self._wrap()
            for request in self._requests():
                if request.method in {"", "UNBIND"} or not self._serve(request):
                    break

    def finish(self) -> None:
        self.server.connections.discard(self.request)
        with contextlib.suppress(OSError):
            self.socket.close()

    def _wrap(self) -> None:
        self.socket = self.server.owner.context.wrap_socket(self.socket, server_side=True)
        self.is_safe = True

    def _requests(self) -> Iterator[Request]:
        waiting = b""
        while data := self.socket.recv(65_536):
            waiting += data
            while 0 <= (size := messages.size_of(waiting)) <= len(waiting):
                yield messages.read(waiting[:size])
                waiting = waiting[size:]

    def _serve(self, request: Request) -> bool:
        """Answer, with what it was told to suffer; return whether the connection goes on."""
        core, facts = self.core, self._facts(request)
        call = core.log.open(at=core.now(), **facts)
        call.plan = core.misbehaviours.take(**facts)
        call.misbehaved = sorted(call.plan)
        try:
            for hook in list(core.on_request):
                hook(call)
            return self._suffer(call, request)
        finally:
            core.log.close(call)

    def _facts(self, request: Request) -> dict[str, Any]:
        page = request.paged
        path = request.name if request.method == "SEARCH" else ""
        params = {"page": 1 + int(page[1] or 0) // page[0]} if page and page[0] else {}
        return {
            "vendor": "directory",
            "method": request.method,
            "path": path,
            "params": params,
        }

    def _suffer(self, call: Call, request: Request) -> bool:
        if call.told("timeout_before") is not None:
            self.core.released.wait()
            return False
        if call.told("reset_before") is not None:
            linger = struct.pack("ii", 1, 0)  # a reset, not an end
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return False
        if (told := call.told("error_before")) is not None:
            code = int(told.get("status", 51))
            self.socket.sendall(messages.done(request.id, request.method, code))
            return True
        if (told := call.told("trickle")) is not None:
            self._drip(_HUGE, every=float(told.get("every", 0.2)))
            return False
        if call.told("flood") is not None:
            self._flood()
            return False
        self.core.during(call)
        known = {"is_safe": self.is_safe, "is_known": self.is_known}
        answer = list(self.server.owner.answer(request, **known))
        if (told := call.told("error_after")) is not None:
            code = int(told.get("status", 51))
            answer[-1] = messages.done(request.id, request.method, code)
        if call.told("malformed") is not None:
            whole = b"".join(answer)
            self.socket.sendall(whole[: len(whole) // 2])
            return False
        self.socket.sendall(b"".join(answer))
        call.status = 0
        if request.method == "EXTENDED":
            self._wrap()
        self.is_known |= request.method == "BIND"
        return True

    def _drip(self, data: bytes, *, every: float) -> None:
        self.socket.sendall(data)
        while not self.core.released.wait(every):
            self.socket.sendall(b"\0")

    def _flood(self) -> None:
        self.socket.sendall(_HUGE)
        while not self.core.released.is_set():
            self.socket.sendall(bytes(65_536))
