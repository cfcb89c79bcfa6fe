"""The inbox … (spec D9, intake)."""

import json
from typing import Any

import pytest
import time_machine
from django.http import HttpResponseBase
from django.utils import timezone

from apps.core.fields import Secrets
from apps.firms.models import Firm
from apps.webhooks import services
from apps.webhooks.models import GatewayAccount, WebhookEvent
from tests.factories import FirmFactory, GatewayAccountFactory, WebhookEventFactory
from tests.webhooks.sending import (
    CALLBACK,
    bog_signature,
    call_back,
    platform_account,
    post,
    public_pem,
    refusals,
    send,
    stripe_signature,
    written,
)

pytestmark = pytest.mark.django_db

NOW = "2025-06-10T12:00:00Z"


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def account() -> GatewayAccount:
    GatewayAccountFactory()  # the neighbour's
    return GatewayAccountFactory()


def said(answer: HttpResponseBase) -> tuple[int, bytes]:
    return answer.status_code, getattr(answer, "content", b"")


# ---- Stripe -------------------------------------------------------------------------------


def test_keeps_an_event_as_it_arrived(account: GatewayAccount) -> None:
    raw = b'{ "id":"evt_1",\r\n "type" : "charge.refunded", "note": "\xc3\xa9" }\n'
    assert said(send(account, raw)) == (200, b"Received.\n")
    event = WebhookEvent.objects.get()
    assert bytes(event.raw_body) == raw
    assert (event.provider, event.account_key) == ("stripe", str(account.key))
    assert (event.event_id, event.type, event.firm) == (
        "evt_1",
        "charge.refunded",
        account.firm,
    )
    assert (event.status, event.attempts, event.signature_ok) == ("received", 0, True)
    assert event.received_at == event.next_attempt_at == timezone.now()
    assert refusals() == {}


def test_keeps_no_header_that_could_let_anybody_in(account: GatewayAccount) -> None:
    raw = written()
    send(
        account,
        raw,
        **{
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Cookie": "sessionid=stolen",
            "Authorization": "Bearer stolen",
            "X-Api-Key": "stolen",
            "X-Forwarded-For": "203.0.113.9",
        },
    )
    assert WebhookEvent.objects.get().headers == {
        "Content-Type": "application/json",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": stripe_signature(raw),
    }


def test_takes_the_same_event_once(account: GatewayAccount) -> None:
    for body in (written(), written(), written(pending_webhooks=1)):
        assert said(send(account, body)) == (200, b"Received.\n")
    assert WebhookEvent.objects.count() == 1
    assert refusals() == {}


def test_takes_an_event_that_two_accounts_are_told_of_twice(account: GatewayAccount) -> None:
    for one in (account, GatewayAccountFactory()):
        assert send(one, written()).status_code == 200
    assert WebhookEvent.objects.count() == 2


@pytest.mark.parametrize("status", WebhookEvent.Status.values)
def test_leaves_a_known_event_as_it_is_when_it_comes_again(
    account: GatewayAccount, status: str
) -> None:
    send(account, written())
    WebhookEvent.objects.update(status=status, attempts=7, error="No answer.")
    before = WebhookEvent.objects.values().get()
    assert send(account, written()).status_code == 200
    assert WebhookEvent.objects.values().get() == before


@pytest.mark.slow
def test_1000_repetitions_change_nothing(account: GatewayAccount) -> None:
    raw = written()
    headers = {"Stripe-Signature": stripe_signature(raw)}
    how: dict[str, Any] = {"provider": "stripe", "key": account.key, "headers": headers}
    how["path"] = "/"
    assert services.receive(raw=raw, now=timezone.now(), **how)
    before = WebhookEvent.objects.values().get()
    again = {services.receive(raw=raw, now=timezone.now(), **how) for _ in range(1_000)}
    assert again == {None}
    assert WebhookEvent.objects.values().get() == before


@pytest.mark.parametrize("status", Firm.Status.values)
def test_serves_firms_of_every_status(status: str) -> None:
    account = GatewayAccountFactory(firm=FirmFactory(status=status))
    assert send(account, written()).status_code == 200
    assert WebhookEvent.objects.get().status == "received"


def test_hears_an_account_that_is_disabled() -> None:
    account = GatewayAccountFactory(status="disabled")
    assert send(account, written()).status_code == 200
    assert WebhookEvent.objects.get().status == "received"


@pytest.mark.parametrize(
    ("of_account", "of_event", "status"),
    [
        (False, False, "received"),
        (True, True, "received"),
        (False, True, "ignored"),
        (True, False, "ignored"),
        (True, None, "received"),
        (True, "true", "received"),
    ],
)
def test_keeps_an_event_of_the_other_mode_and_ignores_it(
    of_account: bool, of_event: object, status: str
) -> None:
    account = GatewayAccountFactory(livemode=of_account)
    assert send(account, written(livemode=of_event)).status_code == 200
    event = WebhookEvent.objects.get()
    assert event.status == status
    assert bool(event.error) == bool(event.processed_at) == (status == "ignored")


@pytest.mark.parametrize("seconds", [0, 299, 300])
def test_takes_what_was_signed_up_to_five_minutes_ago(
    account: GatewayAccount, seconds: int
) -> None:
    raw = written()
    late = stripe_signature(raw, ago=seconds)
    assert send(account, raw, **{"Stripe-Signature": late}).status_code == 200


def test_takes_one_good_signature_among_others(account: GatewayAccount) -> None:
    """While a secret is rolled Stripe signs with both."""
    raw = written()
    good = stripe_signature(raw)
    both = good.replace(",v1=", f",v1={'0' * 64},v0=abc,v1=")
    assert send(account, raw, **{"Stripe-Signature": both}).status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, ""),
        (7, ""),
        ({}, ""),
        ("x" * 300, "x" * 100),
        ("nul\0", "nul"),
        ("half \ud800", "half ?"),
        ("two\r\nlines\u2028", "twolines"),
    ],
)
def test_takes_an_event_with_an_odd_type(
    account: GatewayAccount, sent: object, kept: str
) -> None:
    assert send(account, written(type=sent)).status_code == 200
    assert WebhookEvent.objects.get().type == kept


def test_takes_a_header_with_odd_characters(account: GatewayAccount) -> None:
    assert send(account, written(), **{"User-Agent": "\xff" * 3000}).status_code == 200
    assert WebhookEvent.objects.get().headers["User-Agent"] == "\xff" * 1000


# ---- the Bank of Georgia ------------------------------------------------------------------


def test_takes_the_banks_callback_for_the_platform() -> None:
    account = platform_account()
    raw = json.dumps(CALLBACK, ensure_ascii=False).encode()
    assert said(call_back(raw)) == (200, b"Received.\n")
    event = WebhookEvent.objects.get()
    assert bytes(event.raw_body) == raw
    assert (event.firm, event.account_key, event.type) == (
        None, str(account.key), "order_payment"
    )  # fmt: skip
    assert event.event_id == (
        "8d9a54a2-5a10-4f5b-8e39-0d2c4a6f1b11:completed:2025-06-10T15:59:58.123456Z"
    )
    assert set(event.headers) == {"Content-Type", "Callback-Signature"}


def test_takes_a_callback_at_the_accounts_own_address() -> None:
    account = platform_account()
    raw = json.dumps(CALLBACK).encode()
    assert call_back(raw, f"/webhooks/bog/{account.key}/").status_code == 200
    assert call_back(raw).status_code == 200
    assert WebhookEvent.objects.count() == 1


def test_takes_a_callback_signed_with_the_banks_next_key() -> None:
    platform_account(next_public_key=public_pem("next"))
    raw = json.dumps(CALLBACK).encode()
    assert call_back(raw, key="next").status_code == 200


def test_speaks_to_the_platforms_account_of_this_hosts_mode(settings: Any) -> None:
    test = platform_account()
    live = GatewayAccountFactory(
        firm=None, provider="bog", livemode=True, credentials=test.credentials
    )
    raw = json.dumps(CALLBACK).encode()
    call_back(raw)
    settings.GATEWAY_LIVEMODE = True
    call_back(raw)
    keys = WebhookEvent.objects.order_by("pk").values_list("account_key", flat=True)
    assert list(keys) == [str(test.key), str(live.key)]


def test_tells_two_callbacks_of_one_order_apart() -> None:
    platform_account()
    body, at = CALLBACK["body"], "2025-06-11T08:00:00Z"
    assert isinstance(body, dict)
    rejected = {**body, "order_status": {"key": "rejected"}}
    later: list[dict[str, Any]] = [
        CALLBACK,
        {**CALLBACK, "zoned_request_time": at},
        {**CALLBACK, "body": rejected},
        {"event": "order_payment", "body": body},
        {"event": "order_payment", "body": rejected},
        {**CALLBACK, "body": {"order_id": body["order_id"]}},
    ]
    for _ in range(2):
        for callback in later:
            assert call_back(json.dumps(callback).encode()).status_code == 200
    assert WebhookEvent.objects.count() == len(later)


def test_keeps_the_providers_apart() -> None:
    account = GatewayAccountFactory(
        credentials=Secrets(public_key=public_pem(), webhook_secret="whsec_factory")
    )
    raw = json.dumps(CALLBACK).encode()
    assert call_back(raw, f"/webhooks/bog/{account.key}/").status_code == 401
    crossed = {"Callback-Signature": bog_signature(raw)}
    assert post(f"/webhooks/stripe/{account.key}/", raw, crossed).status_code == 401


# ---- once more after the cleaning ---------------------------------------------------------


def test_knows_an_event_whose_payload_has_gone(account: GatewayAccount) -> None:
    WebhookEventFactory(
        account_key=str(account.key),
        event_id="evt_1",
        status="processed",
        received_at="2024-01-01T00:00:00Z",
    )
    services.cleanup_webhook_events()
    assert not WebhookEvent.objects.exists()
    assert said(send(account, written())) == (200, b"Received.\n")
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_is_open_to_posts_only(client: Any, account: GatewayAccount, method: str) -> None:
    answer = getattr(client, method)(f"/webhooks/stripe/{account.key}/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_sets_no_cookie(account: GatewayAccount) -> None:
    assert not send(account, written()).cookies
