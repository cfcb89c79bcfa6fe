"""The inbox turns away … and keeps nothing of it but a count (spec D9)."""

import base64
import hmac
import json
import logging
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection, transaction
from django.http import HttpResponseBase
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.fields import Secrets
from apps.webhooks import services, views
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookRefusal
from tests.factories import GatewayAccountFactory
from tests.webhooks.sending import (
    CALLBACK,
    bog_signature,
    call_back,
    nothing_is_kept,
    platform_account,
    post,
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
    return GatewayAccountFactory()


def refused(answer: HttpResponseBase, status: int, reason: str) -> bool:
    """Whether a request was answered so, and one refusal is all that is left of it."""
    said = (answer.status_code, getattr(answer, "content", b""))
    assert said == (status, b"Refused.\n")
    assert refusals() == {reason: 1}
    return nothing_is_kept()


# ---- forged -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "",
        " ",
        "t=1749556800",
        "v1=" + "0" * 64,
        "t=1749556800,v1=",
        "t=1749556800,v1=" + "0" * 64,
        "t=1749556800,v0={good}",
        "t=1749556801,v1={good}",
        "t=,v1={good}",
        "t=now,v1={good}",
        "t=-1,v1={good}",
        "t=1749556800;v1={good}",
        "t=1749556800,v1={good}0",
        "t=1749556800,v1=é{good}",
        "t=\xb2,v1={good}",
        "t=" + "9" * 5000 + ",v1={good}",
        "," * 5000,
        "=" * 5000,
        "t,v1",
    ],
)
def test_what_is_not_signed_by_the_accounts_secret(
    account: GatewayAccount, signature: str
) -> None:
    raw = written()
    good = stripe_signature(raw).partition("v1=")[2]
    header = signature.replace("{good}", good)
    assert refused(send(account, raw, **{"Stripe-Signature": header}), 401, "bad_signature")


@pytest.mark.parametrize("secret", ["", " ", "whsec_other", "sk_test_factory"])
def test_what_is_signed_with_another_secret(account: GatewayAccount, secret: str) -> None:
    raw = written()
    forged = stripe_signature(raw, secret=secret)
    assert refused(send(account, raw, **{"Stripe-Signature": forged}), 401, "bad_signature")


@pytest.mark.parametrize("secret", ["", " ", None])
def test_everything_while_an_account_has_no_secret(secret: str | None) -> None:
    """An HMAC with an empty key is anybody's."""
    stored = {} if secret is None else {"webhook_secret": secret}
    account = GatewayAccountFactory(credentials=Secrets(stored))
    raw = written()
    mac = hmac.new((secret or "").encode(), b"1749556800." + raw, "sha256").hexdigest()
    header = f"t=1749556800,v1={mac}"
    assert refused(send(account, raw, **{"Stripe-Signature": header}), 401, "bad_signature")


def test_the_neighbours_signature(account: GatewayAccount) -> None:
    neighbour = GatewayAccountFactory(credentials=Secrets(webhook_secret="whsec_neighbour"))
    raw = written()
    theirs = stripe_signature(raw, secret="whsec_neighbour")
    assert refused(send(account, raw, **{"Stripe-Signature": theirs}), 401, "bad_signature")
    assert send(neighbour, raw, **{"Stripe-Signature": theirs}).status_code == 200


def test_a_body_that_was_changed_by_one_byte(account: GatewayAccount) -> None:
    raw = written()
    signed = {"Stripe-Signature": stripe_signature(raw)}
    assert refused(send(account, raw + b" ", **signed), 401, "bad_signature")


def test_a_body_that_is_the_same_only_when_parsed(account: GatewayAccount) -> None:
    signed = {"Stripe-Signature": stripe_signature(b'{"id":"evt_1"}')}
    assert refused(send(account, b'{"id": "evt_1"}', **signed), 401, "bad_signature")


@pytest.mark.parametrize("raw", [b"\xff\xfe{\x00}\x00", b"\x80", b'{"id": "\xe9"}'])
def test_bytes_that_are_no_text(account: GatewayAccount, raw: bytes) -> None:
    mac = hmac.new(b"whsec_factory", b"1749556800." + raw, "sha256").hexdigest()
    header = f"t=1749556800,v1={mac}"
    assert refused(send(account, raw, **{"Stripe-Signature": header}), 401, "bad_signature")


def test_an_account_that_does_not_exist_in_the_same_words_as_a_forgery() -> None:
    account = GatewayAccountFactory()
    raw = written()
    headers = {"Stripe-Signature": stripe_signature(raw, secret="whsec_other")}
    unknown = post(f"/webhooks/stripe/{uuid4()}/", raw, headers)
    forged = send(account, raw, **headers)
    assert unknown.status_code == forged.status_code == 401
    assert getattr(unknown, "content", 1) == getattr(forged, "content", 2)
    assert dict(unknown.items()) == dict(forged.items())
    assert refusals() == {"unknown_account": 1, "bad_signature": 1}


def test_the_bank_where_the_platform_has_no_account() -> None:
    assert refused(call_back(json.dumps(CALLBACK).encode()), 401, "unknown_account")


@pytest.mark.parametrize("path", ["stripe/", "stripe/1/", "bog/x/", "paypal/", ""])
def test_what_has_no_address(client: Client, path: str) -> None:
    assert client.post(f"/webhooks/{path}").status_code == 404
    assert nothing_is_kept()
    assert refusals() == {}


@pytest.mark.parametrize(
    "signature", ["", "!", "AAAA", base64.b64encode(b"0" * 256).decode(), "é" * 10, "A" * 9000]
)
def test_a_callback_that_the_bank_did_not_sign(signature: str) -> None:
    platform_account()
    raw = json.dumps(CALLBACK).encode()
    answer = post("/webhooks/bog/", raw, {"Callback-Signature": signature})
    assert refused(answer, 401, "bad_signature")


def test_a_callback_signed_with_a_key_that_is_not_the_banks() -> None:
    platform_account()
    assert refused(call_back(json.dumps(CALLBACK).encode(), key="x"), 401, "bad_signature")


def test_a_callback_that_was_changed() -> None:
    platform_account()
    signature = bog_signature(json.dumps(CALLBACK).encode())
    changed = json.dumps(CALLBACK).replace("completed", "refunded").encode()
    answer = post("/webhooks/bog/", changed, {"Callback-Signature": signature})
    assert refused(answer, 401, "bad_signature")


@pytest.mark.parametrize("stored", [{}, {"public_key": ""}, {"public_key": "no key"}])
def test_every_callback_while_no_key_of_the_banks_is_known(stored: dict[str, str]) -> None:
    GatewayAccountFactory(firm=None, provider="bog", credentials=Secrets(stored))
    assert refused(call_back(json.dumps(CALLBACK).encode()), 401, "bad_signature")


# ---- stale, too large, malformed ----------------------------------------------------------


@pytest.mark.parametrize("seconds", [301, 3_600, 86_400 * 365])
def test_what_was_signed_too_long_ago(account: GatewayAccount, seconds: int) -> None:
    raw = written()
    old = stripe_signature(raw, ago=seconds)
    assert refused(send(account, raw, **{"Stripe-Signature": old}), 400, "stale")


def test_a_forgery_is_not_called_stale(account: GatewayAccount) -> None:
    raw = written()
    old = stripe_signature(raw, secret="whsec_other", ago=9_999)
    assert refused(send(account, raw, **{"Stripe-Signature": old}), 401, "bad_signature")


def test_a_body_that_is_too_large(account: GatewayAccount) -> None:
    most = services.MOST_BYTES
    fits = written().ljust(most)
    assert send(account, fits).status_code == 200
    WebhookEvent.objects.all().delete()
    assert refused(send(account, fits + b" "), 413, "too_large")


def test_a_body_that_is_too_large_without_reading_it(account: GatewayAccount) -> None:
    class Unread:
        def read(self, *_: int) -> bytes:
            raise AssertionError("it was read")

        readline = read

    request = RequestFactory().generic("POST", "/", CONTENT_LENGTH=str(services.MOST_BYTES + 1))
    request._stream = Unread()  # type: ignore[attr-defined]
    answer = views.inbox(request, provider="stripe", key=account.key)
    assert refused(answer, 413, "too_large")


@pytest.mark.parametrize("length", ["", "x", "-1", "0", None, "9" * 5000])
def test_a_body_of_no_known_length_is_not_read(
    account: GatewayAccount, length: str | None
) -> None:
    raw = written()
    factory = RequestFactory()
    request = factory.post(
        "/", raw, "application/json", headers={"Stripe-Signature": stripe_signature(raw)}
    )
    request.META["CONTENT_LENGTH"] = length
    answer = views.inbox(request, provider="stripe", key=account.key)
    assert refused(answer, 401, "bad_signature")


def test_a_body_that_breaks_off(account: GatewayAccount) -> None:
    class BrokenOff:
        def read(self, *_: int) -> bytes:
            raise OSError("connection reset")

        def close(self) -> None:
            pass

    request = RequestFactory().generic("POST", "/", CONTENT_LENGTH="100")
    request._stream = BrokenOff()  # type: ignore[attr-defined]
    answer = views.inbox(request, provider="stripe", key=account.key)
    assert refused(answer, 400, "malformed")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"evt_1"',
        b"1" * 5000,
        b"NaN",
        b"{}",
        b"\xef\xbb\xbf" + written(),
        b"[" * 200_000,
        b'{"a":' * 40_000,
        written(None),  # type: ignore[arg-type]
        written(7),  # type: ignore[arg-type]
        written(["evt_1"]),  # type: ignore[arg-type]
        written(""),
        written("x" * 201),
        written("nul\0"),
        written("two\nlines"),
        written("half \ud800"),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_well_signed_body_that_names_no_event(account: GatewayAccount, raw: bytes) -> None:
    assert refused(send(account, raw), 400, "malformed")


@pytest.mark.parametrize(
    "callback",
    [
        {},
        {"event": "order_payment"},
        {**CALLBACK, "body": None},
        {**CALLBACK, "body": []},
        {**CALLBACK, "body": {"order_id": 7}},
        {**CALLBACK, "body": {"order_id": ""}},
        {**CALLBACK, "zoned_request_time": "x" * 200},
    ],
    ids=repr,
)
def test_a_well_signed_callback_that_names_no_order(callback: dict[str, Any]) -> None:
    platform_account()
    assert refused(call_back(json.dumps(callback).encode()), 400, "malformed")


# ---- the count ----------------------------------------------------------------------------


def test_counts_by_provider_reason_and_day(account: GatewayAccount) -> None:
    for _ in range(3):
        send(account, b"{")
    call_back(b"{}")
    with time_machine.travel("2025-06-11T00:00:01+04:00", tick=False):  # still the 10th
        send(account, b"{")
    with time_machine.travel("2025-06-11T00:00:00Z", tick=False):
        send(account, b"{")
    counted = WebhookRefusal.objects.order_by("pk")
    assert [str(one) for one in counted] == [
        "2025-06-10 stripe malformed: 4",
        "2025-06-10 bog unknown_account: 1",
        "2025-06-11 stripe malformed: 1",
    ]


def test_costs_one_question_and_one_statement(account: GatewayAccount) -> None:
    send(account, b"{")
    with CaptureQueriesContext(connection) as asked:
        send(account, b"{")
    assert len(asked) == 2


# ---- what nobody may read -----------------------------------------------------------------


def test_says_nothing_of_what_was_sent(
    account: GatewayAccount, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account.credentials = Secrets(webhook_secret="whsec_MARKER")
    account.save()
    raw = written("evt_MARKER" * 50, email="MARKER@example.com")
    answers = [
        send(account, raw, **{"Stripe-Signature": "t=1,v1=MARKER", "Cookie": "a=MARKER"}),
        send(account, raw, **{"Stripe-Signature": stripe_signature(raw, "whsec_MARKER")}),
        send(
            account, raw, **{"Stripe-Signature": stripe_signature(raw, "whsec_MARKER", ago=999)}
        ),
        send(account, raw * 6000, **{"Stripe-Signature": "MARKER"}),
    ]
    assert [answer.status_code for answer in answers] == [401, 400, 400, 413]
    assert "MARKER" not in caplog.text
    assert not any(b"MARKER" in getattr(answer, "content", b"") for answer in answers)
    assert "MARKER" not in str(list(WebhookRefusal.objects.values()))
    assert "MARKER" not in repr(account.credentials)


# ---- whatever comes -----------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {}, optional={"id": ANYTHING, "type": ANYTHING, "livemode": ANYTHING, "body": ANYTHING}
)
BODIES = st.binary(max_size=200) | (EVENTS | ANYTHING).map(lambda o: json.dumps(o).encode())

often = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@often
@given(raw=BODIES)
def test_any_signed_body_is_kept_or_refused(account: GatewayAccount, raw: bytes) -> None:
    mac = hmac.new(b"whsec_factory", b"1749556800." + raw, "sha256").hexdigest()
    with transaction.atomic():
        answer = send(account, raw, **{"Stripe-Signature": f"t=1749556800,v1={mac}"})
        assert answer.status_code in {200, 400, 401}
        assert WebhookEvent.objects.count() == (answer.status_code == 200)
        assert sum(refusals().values()) == (answer.status_code != 200)
        transaction.set_rollback(True)


@often
@given(raw=BODIES, signature=st.text(st.characters(max_codepoint=255), max_size=80))
def test_nobody_gets_in_by_chance(account: GatewayAccount, raw: bytes, signature: str) -> None:
    headers = {"Stripe-Signature": signature, "Callback-Signature": signature}
    with transaction.atomic():
        for path in (f"stripe/{account.key}/", f"bog/{account.key}/", "bog/"):
            assert post(f"/webhooks/{path}", raw, headers).status_code == 401
        assert nothing_is_kept()
        transaction.set_rollback(True)
