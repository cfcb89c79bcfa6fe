"""The demo inbox: accounts at the sandbox, and a past to clean up (spec E3.1)."""

from datetime import UTC, datetime

import pytest

from apps.core.days import Clock
from apps.core.demo import World
from apps.firms.models import Firm
from apps.webhooks import demo
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookFingerprint
from tests.factories import FirmFactory, GatewayAccountFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 12, tzinfo=UTC)


@pytest.fixture
def acme() -> Firm:
    FirmFactory(slug="evergreen-pm", is_demo=True)
    return FirmFactory(slug="acme-consulting", is_demo=True)


def seed() -> World:
    world = World(Clock(now=NOW))
    demo.seed(world)
    return world


def test_has_the_accounts_that_the_sandbox_knows(acme: Firm) -> None:
    world = seed()
    assert world.made == {"gateway accounts": 4, "webhook events": 8}
    accounts = GatewayAccount.objects.filter(provider="stripe")
    stripe = {account.firm.slug: account.credentials for account in accounts}
    assert {slug: dict(secrets) for slug, secrets in stripe.items()} == {
        "evergreen-pm": {
            "secret_key": "sk_test_demo_evergreen", "webhook_secret": "whsec_demo_evergreen"
        },
        "acme-consulting": {
            "secret_key": "sk_test_demo_acme", "webhook_secret": "whsec_demo_acme"
        },
    }  # fmt: skip
    (texts,) = world.fixture("sandbox")["twilio"]["accounts"]
    account = GatewayAccount.objects.get(provider="twilio")
    assert account.credentials["auth_token"] == texts["token"]
    assert texts["inbound_url"] == f"/webhooks/twilio/{account.key}/"
    platform = GatewayAccount.objects.get(firm=None)
    assert platform.provider == "bog"
    assert dict(platform.credentials) == {
        "client_id": "demo-platform",
        "client_secret": "demo-platform-secret",
        "public_key": world.fixture("sandbox")["bog"]["public_key"],
    }


def test_has_the_same_addresses_every_time(acme: Firm) -> None:
    seed()
    first = set(GatewayAccount.objects.values_list("key", flat=True))
    demo.clear()
    GatewayAccount.objects.all().delete()
    WebhookEvent.objects.all().delete()
    seed()
    assert set(GatewayAccount.objects.values_list("key", flat=True)) == first
    assert str(demo.account_key("acme-consulting", "stripe")) == (
        "3915d33e-90bc-5b7b-8478-92abb9155c74"
    )


def test_has_eight_events_of_acme_half_of_them_old(acme: Firm) -> None:
    seed()
    account = GatewayAccount.objects.get(firm=acme)
    events = WebhookEvent.objects.order_by("received_at")
    assert {(e.firm, e.account_key) for e in events} == {(acme, str(account.key))}
    ages = [((NOW - event.received_at).days > 90, event.status) for event in events]
    assert ages == [
        (True, "processed"), (True, "processed"), (True, "failed"), (True, "processed"),
        (False, "processed"), (False, "ignored"), (False, "processed"), (False, "processed"),
    ]  # fmt: skip


def test_leaves_a_platforms_own_account_alone(acme: Firm) -> None:
    real = GatewayAccountFactory(firm=None, provider="bog")
    before = GatewayAccount.objects.values().get()
    seed()
    demo.clear()
    assert GatewayAccount.objects.filter(firm=None).values().get() == before
    assert before["key"] == real.key


def test_takes_the_platforms_demo_account_along_with_what_it_was_sent(acme: Firm) -> None:
    seed()
    account = GatewayAccount.objects.get(firm=None)
    about = {"provider": "bog", "account_key": str(account.key)}
    for name in ("one", "other"):
        WebhookFingerprint.objects.create(
            **about, event_id=name, first_seen_at=NOW, event_deleted_at=NOW
        )
    WebhookEvent.objects.create(
        **about, event_id="x", type="x", raw_body=b"", received_at=NOW, next_attempt_at=NOW
    )
    demo.clear()
    assert not GatewayAccount.objects.filter(firm=None).exists()
    assert not WebhookFingerprint.objects.exists()
    assert WebhookEvent.objects.count() == 8  # a firm's go with the firm
