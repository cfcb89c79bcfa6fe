"""Taking in events, in phases (of which there is one)."""

import hmac
import json
import logging
import time
import warnings
from collections import defaultdict
from functools import partial
from hashlib import sha256

from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from apps.core.batches import batched
from apps.webhooks.models import GatewayAccount, WebhookEvent
from benchmarks.phases.charges import open_gateway
from benchmarks.phases.measuring import Figures, Queries, migrate, timed
from benchmarks.world import make_firms

SECRET = "whsec_benchmark"

Event = tuple[bytes, str]  # its body and signature


def take_in(count: int) -> Figures:
    """Post ``count`` events twice, and measure what there is to compare it with.

    A hundred events at a time go through all of it, so that a busy moment of the machine
    spoils no ratio.
    """
    migrate()
    logging.disable(logging.WARNING)  # turning a request away is worth a line
    warnings.filterwarnings("ignore", "No directory at")  # nobody has collected static files
    [firm] = make_firms(1)
    open_gateway(firm)
    path = f"/webhooks/stripe/{GatewayAccount.objects.get().key}/"
    client = Client(SERVER_NAME="localhost")
    _post(client, path, [_event("warm-up")])  # loads the URLs, the middleware, the library
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_event (id text PRIMARY KEY, raw text, at timestamp)")
    new, again, seconds = Queries(), Queries(), defaultdict[str, float](float)
    for labels in batched(range(count), 100):
        events = [_event(str(label)) for label in labels]
        post = partial(_post, client, path, events)
        with connection.execute_wrapper(new):
            seconds["new_seconds"] += timed(post)
        with connection.execute_wrapper(again):
            seconds["again_seconds"] += timed(post)
        seconds["away_seconds"] += timed(partial(_turn_away, client, path, len(events)))
        seconds["floor_seconds"] += timed(partial(_write, events))
    return {
        "kept": WebhookEvent.objects.count() - 1,
        "new_queries": new.count,
        "again_queries": again.count,
        **seconds,
    }


def _event(name: str) -> Event:
    """Return an event of about the size of Stripe's, signed now."""
    metadata = {f"key_{n}": "value" * 8 for n in range(40)}
    thing = {"id": f"pi_{name}", "object": "payment_intent", "metadata": metadata}
    raw = json.dumps(
        {
            "id": f"evt_{name}",
            "object": "event",
            "type": "payment_intent.succeeded",
            "livemode": False,
            "data": {"object": thing},
        }
    ).encode()
    at = int(time.time())
    return raw, f"t={at},v1={_hmac(at, raw)}"


def _hmac(at: int, raw: bytes) -> str:
    return hmac.new(SECRET.encode(), b"%d.%b" % (at, raw), sha256).hexdigest()


def _post(client: Client, path: str, events: list[Event]) -> None:
    for raw, signature in events:
        headers = {"Stripe-Signature": signature}
        answer = client.post(path, raw, content_type="application/json", headers=headers)
        if answer.status_code != 200:
            raise SystemExit(f"The inbox answers {answer.status_code}")


def _turn_away(client: Client, path: str, times: int) -> None:
    for _ in range(times):
        client.get(path)


def _write(events: list[Event]) -> None:
    """Check each signature and write each event, in a transaction of its own."""
    now = timezone.now()
    with connection.cursor() as cursor:
        for raw, signature in events:
            at, _, told = signature.removeprefix("t=").partition(",v1=")
            if not hmac.compare_digest(_hmac(int(at), raw), told):
                raise SystemExit("A signature is wrong")
            name = json.loads(raw)["id"]
            with transaction.atomic():
                cursor.execute(
                    "INSERT INTO bench_event VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                    [name, raw.decode(), now],
                )
