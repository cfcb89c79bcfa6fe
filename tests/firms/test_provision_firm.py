"""provision_firm … (spec D5)."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.billing.models import NumberSequence
from apps.crm.models import Pipeline
from apps.firms.models import Firm, FirmSettings, Membership, RetentionPolicy, User
from apps.firms.rights import STAFF
from apps.jobs.models import JobRun
from apps.notifications.models import Notification
from apps.notifications.services import deliver_notifications
from apps.subscriptions.models import Plan, Subscription
from tests.billing.at_once import at_once
from tests.factories import FirmFactory, MembershipFactory, UserFactory
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)
SECRET = "secure123"
LONG = f"{'a' * 60}@{'b' * 60}.{'c' * 40}.com"
TOO_SHORT = "password is too short"
# The source's own example.
EXAMPLE = {
    "name": "Acme Consulting",
    "slug": "acme-consulting",
    "admin_email": "admin@acme.com",
    "admin_password": SECRET,
    "timezone": "America/Los_Angeles",
    "currency": "USD",
    "tier": "professional",
}


@pytest.fixture(autouse=True)
def today(db: None) -> Iterator[None]:
    """Let it be the 10th of June 2025, with a plan to subscribe to."""
    Plan.objects.get_or_create(
        code="professional", defaults={"name": "Professional", "price_minor": 5_900}
    )
    with time_machine.travel(NOON, tick=False):
        yield


def provision(**options: Any) -> str:
    out = io.StringIO()
    call_command("provision_firm", stdout=out, **EXAMPLE | options)
    return out.getvalue()


def refused(**options: Any) -> str:
    """Return what is said when nothing is made."""
    before = rows()
    with pytest.raises(CommandError) as error:
        provision(**options)
    assert rows() == before
    return str(error.value)


def rows() -> dict[str, list[Any]]:
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed
    }


# ---- what it makes -------------------------------------------------------------------------


def test_carries_out_the_sources_example() -> None:
    out = provision()
    firm = Firm.objects.get()
    assert out == (
        "Provisioning firm: Acme Consulting (acme-consulting)\n"
        f"  ✓ Created firm (ID: {firm.pk})\n"
        "  ✓ Created admin user admin@acme.com\n"
        "  ✓ Applied baseline configuration\n"
        "Firm provisioned successfully.\n"
    )
    assert (firm.status, firm.is_active, firm.is_demo) == ("trial", True, False)
    assert (firm.timezone, firm.currency, firm.tier) == (
        "America/Los_Angeles", "USD", "professional"
    )  # fmt: skip


def test_fills_in_the_usual() -> None:
    required = {k: v for k, v in EXAMPLE.items() if k not in {"timezone", "currency", "tier"}}
    call_command("provision_firm", stdout=io.StringIO(), **required)
    firm = Firm.objects.get()
    assert (firm.timezone, firm.currency, firm.tier) == ("UTC", "USD", "professional")


def test_makes_an_owner_with_the_rights_of_staff() -> None:
    provision(admin_email=" Admin@ACME.com ")
    user = User.objects.get()
    assert (user.username, user.email) == ("admin@acme.com", "admin@acme.com")
    assert user.check_password(SECRET)
    assert (user.is_staff, user.is_superuser, user.is_active) == (True, False, True)
    assert list(user.groups.all()) == [Group.objects.get(name=STAFF)]
    membership = Membership.objects.get(user=user)
    assert membership.firm.slug == "acme-consulting"
    assert [role.role for role in membership.roles.all()] == ["owner"]


def test_makes_everything_that_a_firm_needs() -> None:
    provision()
    firm = Firm.objects.get()
    assert FirmSettings.objects.get(firm=firm).invoice_prefix == "INV"
    policies = RetentionPolicy.objects.filter(firm=firm, action="delete", is_active=True)
    assert dict(policies.values_list("data_type", "retention_days")) == {
        "emails": 730,
        "documents": 2555,
        "audit_logs": 2555,
        "webhooks": 90,
        "sessions": 30,
    }
    series = NumberSequence.objects.get(firm=firm)
    assert (series.series, series.year, series.next_number) == ("INV", 2025, 1)
    pipeline = Pipeline.objects.get(firm=firm)
    assert (pipeline.name, pipeline.stale_after_days, pipeline.manager) == ("Sales", None, None)
    assert list(pipeline.stages.order_by("position").values_list("position", "name")) == [
        (1, "Lead"), (2, "Qualified"), (3, "Proposal"), (4, "Negotiation")
    ]  # fmt: skip
    event = AuditEvent.objects.get(firm=firm, action="firm_provisioned")
    assert (event.object_id, event.actor_label) == (str(firm.pk), "system")


@pytest.mark.parametrize(
    ("zone", "started_on"),
    [("Pacific/Auckland", date(2025, 6, 11)), ("America/Los_Angeles", date(2025, 6, 10))],
)
def test_begins_the_trial_on_the_firms_own_day(zone: str, started_on: date) -> None:
    provision(timezone=zone)
    subscription = Subscription.objects.get(firm__slug="acme-consulting")
    plan = subscription.plan
    assert (plan.code, subscription.status) == ("professional", "trialing")
    assert subscription.started_on == started_on
    assert subscription.expires_on is not None
    assert (subscription.expires_on - started_on).days == plan.trial_days > 0


def test_leaves_the_neighbour_untouched() -> None:
    MembershipFactory()
    before = rows()
    provision()
    after = rows()
    assert [
        label for label in before if any(r not in after[label] for r in before[label])
    ] == []


# ---- the owner has an account --------------------------------------------------------------


def test_never_touches_an_existing_users_password() -> None:
    known = UserFactory(username="ada", email="Admin@Acme.com")
    hashed = known.password
    out = provision()
    known.refresh_from_db()
    assert known.password == hashed
    assert known.must_change_password is False
    assert (
        "  ✓ Made existing user Admin@Acme.com the owner; their password is unchanged\n" in out
    )
    assert "Created admin user" not in out
    assert User.objects.count() == 1
    assert known.is_staff
    assert Membership.objects.get(user=known).roles.get().role == "owner"


def test_lets_one_person_own_two_firms() -> None:
    provision()
    provision(slug="acme-two", admin_password="anything")
    assert Membership.objects.filter(user__email="admin@acme.com").count() == 2
    assert User.objects.get().check_password(SECRET)


def test_gives_no_firm_to_an_account_that_was_closed() -> None:
    UserFactory(email="admin@acme.com", is_active=False)
    said = refused()
    assert said == "Invalid options: the account of admin@acme.com is deactivated."


# ---- what it refuses -----------------------------------------------------------------------


def test_names_all_problems_together() -> None:
    FirmFactory(slug="acme")
    assert refused(slug="acme", timezone="Mars/Base", currency="XXQ") == (
        "Invalid options: slug 'acme' is already taken; unknown timezone 'Mars/Base'; "
        "unknown currency 'XXQ'."
    )
    assert refused(name="", admin_email="", admin_password="12345678") == (
        "Invalid options: name is empty; invalid e-mail address ''; password is too common; "
        "password is entirely numeric."
    )


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("name", " ", "name is empty"),
        ("name", "A" * 121, "name is longer than 120 characters"),
        ("name", "A\nB", "name has a line break or another character that cannot be printed"),
        ("slug", "login", "slug 'login' is reserved"),
        ("slug", "www", "slug 'www' is reserved"),
        ("admin_email", "admin@", "invalid e-mail address 'admin@'"),
        ("admin_email", LONG, "e-mail address is longer than 150 characters"),
        ("admin_password", "short1x", f"{TOO_SHORT}: it must contain at least 8 characters"),
        ("admin_password", "password", "password is too common"),
        ("admin_password", "admin@acme.com", "password is too similar to the username"),
        ("timezone", "PST", "unknown timezone 'PST'"),
        ("timezone", "Mars/Base", "unknown timezone 'Mars/Base'"),
        ("currency", "XXQ", "unknown currency 'XXQ'"),
        ("tier", "platinum", "unknown tier 'platinum'"),
    ],
)
def test_refuses(option: str, value: str, problem: str) -> None:
    said = refused(**{option: value})
    assert said.startswith("Invalid options: ")
    assert problem in said.removeprefix("Invalid options: ").rstrip(".").split("; ")


@pytest.mark.parametrize("slug", ["Acme Consulting", "acme--x", "acme-", "ac", "a" * 64, ""])
def test_refuses_the_slug(slug: str) -> None:
    assert refused(slug=slug) == (
        f"Invalid options: slug '{slug}' is not 3–63 of a–z, 0–9 and single hyphens."
    )


def test_refuses_a_user_name_that_is_somebody_elses() -> None:
    UserFactory(username="admin@acme.com", email="ada@example.com")
    assert refused() == (
        "Invalid options: the user name admin@acme.com belongs to somebody with another "
        "address."
    )


def test_refuses_the_same_slug_again() -> None:
    provision()
    said = refused()
    assert said == "Invalid options: slug 'acme-consulting' is already taken."


def test_leaves_nothing_when_the_last_step_fails(settings: Settings) -> None:
    settings.BASELINE = "tests.firms.failing_baseline"
    before = rows()
    with pytest.raises(RuntimeError, match="the last step failed"):
        provision()
    assert rows() == before


def test_leaves_no_trace_in_a_dry_run() -> None:
    before = rows()
    assert provision(dry_run=True) == (
        "Would provision firm: Acme Consulting (acme-consulting)\n"
        "All options are valid; nothing was created.\n"
    )
    assert rows() == before
    assert "slug 'login' is reserved" in refused(slug="login", dry_run=True)


@pytest.mark.django_db(transaction=True)
def test_makes_one_firm_when_two_ask_at_once() -> None:
    said: list[str] = []

    def ask() -> None:
        said.append(provision())

    [error] = at_once(ask, ask)
    assert str(error) == "Invalid options: slug 'acme-consulting' is already taken."
    assert len(said) == 1
    assert (Firm.objects.count(), User.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_makes_one_owner_of_two_firms_at_once() -> None:
    acts = [provision, lambda: provision(slug="acme-two")]
    assert at_once(*acts) == []
    assert (Firm.objects.count(), User.objects.count()) == (2, 1)
    assert Membership.objects.filter(roles__role="owner").count() == 2


# ---- the password --------------------------------------------------------------------------


def test_asks_for_a_new_password_when_this_one_was_on_the_command_line() -> None:
    provision()
    assert User.objects.get().must_change_password


def test_reads_the_password_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\r\nmore\n"))
    provision(admin_password="-")
    user = User.objects.get()
    assert user.check_password(SECRET)
    assert not user.must_change_password


def test_reads_the_password_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_ADMIN_PASSWORD", SECRET)
    required = {k: v for k, v in EXAMPLE.items() if k != "admin_password"}
    call_command("provision_firm", stdout=io.StringIO(), **required)
    user = User.objects.get()
    assert user.check_password(SECRET)
    assert not user.must_change_password


def test_needs_a_password_from_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROVISION_ADMIN_PASSWORD", raising=False)
    required = {k: v for k, v in EXAMPLE.items() if k != "admin_password"}
    with pytest.raises(CommandError, match="arguments are required: --admin-password"):
        call_command("provision_firm", stdout=io.StringIO(), **required)


def test_keeps_the_password_out_of_everything(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.DEBUG)
    out = provision()
    said = refused(tier="platinum")
    settings.BASELINE = "tests.firms.failing_baseline"
    with pytest.raises(RuntimeError):
        provision(slug="acme-two")
    stored = [
        str(value) for table, found in rows().items() for row in found for value in row.values()
    ]
    for place in (out, said, caplog.text, *stored):
        assert SECRET not in place
    assert not JobRun.objects.exists()


# ---- the welcome ---------------------------------------------------------------------------


def test_welcomes_the_owner(smtp_server: MailServer) -> None:
    provision()
    message = Notification.objects.get()
    assert (message.type, message.recipient_user) == ("firm_provisioned", User.objects.get())
    deliver_notifications()
    [mail] = smtp_server.messages
    assert mail.message["To"] == "admin@acme.com"
    assert mail.message["From"] == "Nightshift <nightshift@localhost>"
    assert mail.message["Subject"] == "Welcome to Nightshift: Acme Consulting is ready"
    part = mail.message.get_body(("plain",))
    assert part is not None
    assert "user name admin@acme.com:\nhttp://127.0.0.1:8000/admin/\n" in part.get_content()
    assert SECRET not in mail.message.as_string()
