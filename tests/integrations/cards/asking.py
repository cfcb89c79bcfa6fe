"""What the tests ask of the bank, and a bank that answers whatever bytes a test wants."""

import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from moneyed import Money

from apps.integrations.cards import BankOrder, Cards, SavedCardCharge, get_cards
from sandbox.bog import Bog

CLIENT = "demo-platform"
CALLBACK = "https://nightshift.example/webhooks/bog/1/"


def secret(bank: Bog, client_id: str = CLIENT) -> str:
    """The right secret of a client."""
    return bank.tokens.clients[client_id]


def adapter(bank: Bog, client_id: str = CLIENT, *, client_secret: str = "") -> Cards:
    """Another adapter; without a secret, one with the right one. It has to be closed."""
    return get_cards(
        provider="bog",
        client_id=client_id,
        client_secret=client_secret or secret(bank, client_id),
    )


def charge(**changes: Any) -> SavedCardCharge:
    """A renewal by the card that the order ``parent`` saved."""
    asked = {
        "parent_id": "parent",
        "amount": Money("59.00", "GEL"),
        "external_id": "renewal-1",
        "idempotency_key": uuid.uuid4(),
        "callback_url": CALLBACK,
    }
    return SavedCardCharge(**{**asked, **changes})


def order(**changes: Any) -> BankOrder:
    """A first payment on the bank's page."""
    asked = {
        "amount": Money("59.00", "GEL"),
        "external_id": "first-1",
        "idempotency_key": uuid.uuid4(),
        "callback_url": CALLBACK,
        "success_url": "https://nightshift.example/paid",
        "fail_url": "https://nightshift.example/failed",
        "label": "Nightshift, 30 days",
    }
    return BankOrder(**{**asked, **changes})


def paths(bank: Bog) -> list[str]:
    """What the bank was asked, in order, without the address all of it shares."""
    return [
        f"{call.method} {call.path.removeprefix('/bog').removeprefix('/payments/v1')}"
        for call in bank.core.log.requests
    ]


@contextmanager
def answering(
    script: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Run a server that lets ``script`` answer each connection, and yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                if stopping.is_set():
                    return
                if tls:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    connection.recv(65_536)
                    script(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopping.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
            pass
        thread.join(5)
        listener.close()
