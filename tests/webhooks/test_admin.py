"""What staff see of accounts and events, and what they press."""

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.fields import Secrets
from apps.firms.models import Firm, Role, User
from apps.firms.rights import staff_group
from apps.webhooks.models import GatewayAccount, WebhookEvent, WebhookRefusal
from apps.webhooks.services import cleanup_webhook_events, process_webhook_events
from tests.factories import (
    FirmFactory,
    GatewayAccountFactory,
    MembershipFactory,
    UserFactory,
    WebhookEventFactory,
)
from tests.webhooks.clerk import Clerk, effects
from tests.webhooks.sending import public_pem

pytestmark = pytest.mark.django_db

ADD = "admin:webhooks_gatewayaccount_add"


def browser(*, firm: Firm | None = None, role: Role = Role.OWNER) -> Client:
    """The browser of somebody who works for a firm; without one, of a superuser."""
    user = UserFactory(is_staff=True, is_superuser=firm is None)
    if firm:
        join(user, firm, role)
    client = Client()
    client.force_login(user)
    return client


def join(user: User, firm: Firm, role: Role = Role.OWNER) -> None:
    MembershipFactory(firm=firm, user=user, roles=[role])
    user.groups.add(staff_group())


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


@pytest.fixture
def account(firm: Firm) -> GatewayAccount:
    GatewayAccountFactory()  # the neighbour's
    return GatewayAccountFactory(firm=firm)


def page_of(row: Any) -> str:
    return reverse(f"admin:webhooks_{row._meta.model_name}_change", args=[row.pk])


def press(client: Client, action: str, *rows: Any, **more: Any) -> str:
    """Press an action on some rows of a list and return what the page says then."""
    where = reverse(f"admin:webhooks_{rows[0]._meta.model_name}_changelist")
    data = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    answer: Any = client.post(where, data, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


STRIPE = {"provider": "stripe", "secret_key": "sk_test_NEW", "webhook_secret": "whsec_NEW"}


def credentials_of(account: GatewayAccount) -> dict[str, str]:
    return dict(GatewayAccount.objects.get(pk=account.pk).credentials)


# ---- accounts -----------------------------------------------------------------------------


def test_an_owner_adds_an_account_and_finds_its_address(firm: Firm, settings: Settings) -> None:
    settings.SITE_URL = "https://night.example"
    client = browser(firm=firm)
    answer = client.post(reverse(ADD), {"firm": firm.pk, **STRIPE})
    assert answer.status_code == 302
    account = GatewayAccount.objects.get()
    assert (account.firm, account.status, account.livemode) == (firm, "active", False)
    assert credentials_of(account) == {
        "secret_key": "sk_test_NEW", "webhook_secret": "whsec_NEW"
    }  # fmt: skip
    shown = client.get(page_of(account)).content.decode()
    assert f"https://night.example/webhooks/stripe/{account.key}/" in shown
    assert AuditEvent.objects.get(action="gateway_account_saved").changes == {
        "replaced": ["secret_key", "webhook_secret"]
    }


def test_no_page_shows_a_secret_again(account: GatewayAccount) -> None:
    account.credentials = Secrets(secret_key="sk_MARKER", webhook_secret="whsec_MARKER")
    account.save()
    assert account.firm
    for client in (browser(), browser(firm=account.firm)):
        where = page_of(account)
        history = reverse("admin:webhooks_gatewayaccount_history", args=[account.pk])
        listed = reverse("admin:webhooks_gatewayaccount_changelist")
        broken = client.post(where, {"secret_key": "MARKER", "client_id": "not of Stripe"})
        assert broken.status_code == 200
        pages = [broken, *(client.get(address) for address in (where, history, listed))]
        assert not any(b"MARKER" in page.content for page in pages)
        assert b"secret_key, webhook_secret" in pages[1].content
    assert "MARKER" not in str(list(AuditEvent.objects.values()))


def test_an_empty_field_keeps_what_is_stored(account: GatewayAccount) -> None:
    client = browser(firm=account.firm)
    answer = client.post(page_of(account), {"webhook_secret": "whsec_NEW"})
    assert answer.status_code == 302
    assert credentials_of(account) == {
        "secret_key": "sk_test_factory", "webhook_secret": "whsec_NEW"
    }  # fmt: skip
    assert AuditEvent.objects.get().changes == {"replaced": ["webhook_secret"]}


def test_the_provider_and_the_mode_of_an_account_stay(account: GatewayAccount) -> None:
    client = browser(firm=account.firm)
    client.post(page_of(account), {"provider": "bog", "livemode": "on", "firm": ""})
    account.refresh_from_db()
    assert (account.provider, account.livemode) == ("stripe", False)
    assert account.firm is not None


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"provider": "stripe", "secret_key": "x"}, {"webhook_secret"}),
        ({"provider": "bog"}, {"client_id", "client_secret", "public_key"}),
        ({**STRIPE, "client_id": "x"}, {"client_id"}),
        ({"provider": "paypal"}, {"provider"}),
        (
            {"provider": "bog", "client_id": "x", "client_secret": "x", "public_key": "x"},
            {"public_key"},
        ),
    ],
)
def test_credentials_that_cannot_work_are_refused(
    firm: Firm, typed: dict[str, str], wrong: set[str]
) -> None:
    answer: Any = browser(firm=firm).post(reverse(ADD), {"firm": firm.pk, **typed})
    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == wrong
    assert not GatewayAccount.objects.exists()


def test_a_second_account_of_the_same_kind_is_refused_in_a_sentence(
    account: GatewayAccount,
) -> None:
    client = browser(firm=account.firm)
    answer: Any = client.post(reverse(ADD), {"firm": account.firm_id, **STRIPE})
    assert answer.status_code == 200
    assert "already exists" in str(answer.context["adminform"].form.errors)


def test_a_superuser_keeps_the_platforms_account(firm: Firm) -> None:
    client = browser()
    bog = {"provider": "bog", "client_id": "id", "client_secret": "s"}
    data = {**bog, "public_key": public_pem()}
    assert client.post(reverse(ADD), data).status_code == 302
    account = GatewayAccount.objects.get()
    assert account.firm is None
    assert credentials_of(account)["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    listed = client.get(reverse("admin:webhooks_gatewayaccount_changelist"))
    assert "Bank of Georgia of the platform" in listed.content.decode()
    assert client.get(page_of(account)).status_code == 200
    again: Any = client.post(reverse(ADD), data)
    assert again.status_code == 200


def test_an_owner_cannot_make_or_see_an_account_of_the_platform(firm: Firm) -> None:
    client = browser(firm=firm)
    answer: Any = client.post(reverse(ADD), STRIPE)
    assert set(answer.context["adminform"].form.errors) == {"firm"}
    platforms = GatewayAccountFactory(firm=None)
    assert client.get(page_of(platforms)).status_code == 302
    listed: Any = client.get(reverse("admin:webhooks_gatewayaccount_changelist"))
    assert list(listed.context["cl"].result_list) == []


@pytest.mark.parametrize("role", [role for role in Role if role != Role.OWNER])
def test_only_owners_may_change_an_account(account: GatewayAccount, role: Role) -> None:
    client = browser(firm=account.firm, role=role)
    assert client.get(reverse(ADD)).status_code == 403
    assert client.post(page_of(account), {"secret_key": "sk_NEW"}).status_code == 403
    press(client, "disable", account)
    account.refresh_from_db()
    assert (account.status, credentials_of(account)["secret_key"]) == (
        "active", "sk_test_factory"
    )  # fmt: skip
    shown = client.get(page_of(account))
    assert shown.status_code == 200
    assert b"secret_key</" not in shown.content
    assert not BeautifulSoup(shown.content, "html.parser").select("input[type=password]")


def test_an_owner_elsewhere_is_no_owner_here(account: GatewayAccount) -> None:
    """Staff of this firm, owner of another: the lists show both."""
    client = browser(firm=FirmFactory())
    assert account.firm
    user = User.objects.get(pk=client.session["_auth_user_id"])
    join(user, account.firm, Role.ADMIN)
    assert client.post(page_of(account), {"secret_key": "sk_NEW"}).status_code == 403
    said = press(client, "disable", account)
    assert said == "0 accounts disabled, 1 skipped: only the owner of a firm may."
    answer: Any = client.post(reverse(ADD), {"firm": account.firm_id, **STRIPE})
    assert "firm" in answer.context["adminform"].form.errors
    assert credentials_of(account)["secret_key"] == "sk_test_factory"


def test_an_owner_who_has_left_is_none(account: GatewayAccount) -> None:
    client = browser(firm=account.firm)
    User.objects.get(pk=client.session["_auth_user_id"]).memberships.update(is_active=False)
    assert client.get(page_of(account)).status_code in {302, 403}
    assert client.get(reverse(ADD)).status_code == 403


def test_an_account_is_disabled_and_enabled(account: GatewayAccount) -> None:
    client = browser(firm=account.firm)
    assert press(client, "disable", account) == "1 account disabled."
    account.refresh_from_db()
    assert account.status == "disabled"
    assert press(client, "disable", account).endswith("is disabled already.")
    assert press(client, "enable", account) == "1 account enabled."
    account.refresh_from_db()
    assert account.status == "active"
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["gateway_account_disabled", "gateway_account_enabled"]


def test_an_account_is_never_deleted(account: GatewayAccount) -> None:
    client = browser()
    where = reverse("admin:webhooks_gatewayaccount_delete", args=[account.pk])
    assert client.post(where, {"post": "yes"}).status_code == 403


# ---- events -------------------------------------------------------------------------------


def test_a_body_is_shown_to_nobody(firm: Firm) -> None:
    event = WebhookEventFactory(
        firm=firm, raw_body=b"MARKER<script>", headers={"Stripe-Signature": "MARKER"}
    )
    for client in (browser(), browser(firm=firm)):
        shown = client.get(page_of(event))
        assert shown.status_code == 200
        assert b"MARKER" not in shown.content
        listed = client.get(reverse("admin:webhooks_webhookevent_changelist"))
        assert event.event_id.encode() in listed.content
        assert b"MARKER" not in listed.content


def test_an_event_that_names_itself_in_html_is_shown_as_text(firm: Firm) -> None:
    event = WebhookEventFactory(firm=firm, type="<script>1</script>", event_id="<b>evt</b>")
    for where in (page_of(event), reverse("admin:webhooks_webhookevent_changelist")):
        shown = browser().get(where).content
        assert b"<script>1</script>" not in shown
        assert b"<b>evt" not in shown


def test_a_failed_event_is_processed_again(firm: Firm, clerk: Clerk) -> None:
    event = WebhookEventFactory(
        firm=firm, status="failed", attempts=7, type="effect", error="No answer."
    )
    client = browser(firm=firm, role=Role.ADMIN)
    assert press(client, "process_again", event) == "1 event will be processed again."
    assert effects() == []
    process_webhook_events()
    assert effects() == [event.event_id]
    assert WebhookEvent.objects.get().status == "processed"
    noted = AuditEvent.objects.get()
    assert (noted.action, noted.firm) == ("webhook_event_processed_again", firm)


def test_a_failed_event_is_given_up_for_a_reason(firm: Firm) -> None:
    event = WebhookEventFactory(firm=firm, status="failed", error="No answer.")
    client = browser(firm=firm, role=Role.ADMIN)
    assert press(client, "give_up", event) == ""
    assert WebhookEvent.objects.get().status == "failed"
    said = press(client, "give_up", event, confirmed="yes", reason="Entered by hand")
    assert said == "1 event given up."
    after = WebhookEvent.objects.get()
    assert (after.status, after.error) == ("dead", "No answer.")
    noted = AuditEvent.objects.get()
    assert (noted.action, noted.reason) == ("webhook_event_given_up", "Entered by hand")


@pytest.mark.parametrize(
    ("action", "statuses"),
    [
        ("process_again", {"received", "processing", "processed", "ignored"}),
        ("give_up", {"processing", "processed", "ignored", "dead"}),
    ],
)
def test_an_event_in_another_state_is_left_alone(
    firm: Firm, action: str, statuses: set[str]
) -> None:
    client = browser(firm=firm)
    for status in sorted(statuses):
        event = WebhookEventFactory(firm=firm, status=status)
        said = press(client, action, event, confirmed="yes", reason="x")
        assert said.startswith("0 events ")
        assert "1 skipped: only a " in said
        assert WebhookEvent.objects.get(pk=event.pk).status == status
    assert not AuditEvent.objects.exists()


def test_an_event_that_was_given_up_is_cleaned_up_in_time(firm: Firm) -> None:
    event = WebhookEventFactory(firm=firm, status="failed", received_at="2024-01-01T00:00:00Z")
    assert cleanup_webhook_events().tallies["deleted"] == 0
    press(browser(), "give_up", event, confirmed="yes", reason="Old")
    assert cleanup_webhook_events().tallies["deleted"] == 1


def test_a_superuser_sees_the_platforms_events_and_nobody_else(firm: Firm) -> None:
    event = WebhookEventFactory(firm=None, provider="bog")
    assert browser().get(page_of(event)).status_code == 200
    assert browser(firm=firm).get(page_of(event)).status_code == 302


# ---- refusals -----------------------------------------------------------------------------


def test_refusals_are_for_superusers(firm: Firm) -> None:
    WebhookRefusal.objects.create(
        provider="stripe", reason="stale", day="2025-06-10", count=12_345
    )
    where = reverse("admin:webhooks_webhookrefusal_changelist")
    assert b"12345" in browser().get(where).content
    assert browser(firm=firm).get(where).status_code == 403
    assert b"refusal" not in browser(firm=firm).get(reverse("admin:index")).content
