"""What staff press on engagements and their periods, and what they may type."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate
from apps.engagements.services import generate_package_invoices
from apps.firms.models import Firm, FirmSettings, User
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address, filled
from tests.admin.world import everything, staff_of
from tests.engagements.billing import engagement_of, invoices_of
from tests.factories import EngagementFactory, FirmFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 6, 10, 15, 0, tzinfo=UTC)
ENGAGEMENTS = reverse("admin:engagements_engagement_changelist")
PERIODS = reverse("admin:engagements_engagementperiod_changelist")


@pytest.fixture(autouse=True)
def now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(name="Alder")


@pytest.fixture
def neighbour() -> Engagement:
    return EngagementFactory(name="Birch retainer")


@pytest.fixture
def alice(firm: Firm) -> User:
    return staff_of(firm)


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def retainer(firm: Firm) -> Engagement:
    return engagement_of(firm, name="Retainer", start_date=date(2025, 6, 1))


def confirm(
    client: Client, action: str, *rows: Any, where: str = ENGAGEMENTS, **typed: Any
) -> str:
    how = {"confirmed": "yes", "reason": "Asked for"} | typed
    return said(press(client, where, action, *rows, **how))


# ---- the life of an engagement --------------------------------------------------------------


def test_an_engagement_is_put_in_force_paused_resumed_and_cancelled(
    desk: Client, alice: User, retainer: Engagement, neighbour: Engagement
) -> None:
    Engagement.objects.filter(pk=retainer.pk).update(status="draft")
    assert said(press(desk, ENGAGEMENTS, "put_in_force", retainer, neighbour)) == (
        "1 engagement put in force."
    )
    assert confirm(desk, "pause", retainer) == "1 engagement paused."
    assert confirm(desk, "pause", retainer) == (
        "0 engagements paused, 1 skipped: Retainer is paused."
    )
    assert confirm(desk, "resume", retainer) == "1 engagement resumed."
    assert confirm(desk, "cancel", retainer) == "1 engagement cancelled."
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor", "reason")
    assert list(events) == [
        ("engagement_active", alice.pk, ""),
        ("engagement_paused", alice.pk, "Asked for"),
        ("engagement_active", alice.pk, "Asked for"),
        ("engagement_cancelled", alice.pk, "Asked for"),
    ]


def test_an_engagement_is_completed_when_all_of_it_is_billed(
    desk: Client, retainer: Engagement
) -> None:
    assert confirm(desk, "complete", retainer) == (
        "0 engagements completed, 1 skipped: Retainer is not billed from 2025-06-01 yet: "
        "make 2025-06-10 its last day, and complete it when that is done."
    )
    generate_package_invoices()
    assert confirm(desk, "complete", retainer) == "1 engagement completed."


@pytest.mark.parametrize(
    "action",
    [
        "pause",
        "resume",
        "complete",
        "cancel",
        "move_to_calendar",
        "change_interval",
        "change_fee",
    ],
)
def test_an_action_asks_before_it_does_anything(
    desk: Client, retainer: Engagement, action: str
) -> None:
    before = everything()
    assert b"Retainer" in press(desk, ENGAGEMENTS, action, retainer).content
    answer = press(desk, ENGAGEMENTS, action, retainer, confirmed="yes", reason=" ")
    assert b"Say why." in answer.content
    assert everything() == before


# ---- what was agreed ------------------------------------------------------------------------


def test_the_interval_is_changed(desk: Client, retainer: Engagement) -> None:
    assert confirm(desk, "change_interval", retainer, interval="annual") == (
        "1 engagement changed."
    )
    retainer.refresh_from_db()
    assert retainer.billing_interval == "annual"


def test_an_engagement_is_moved_to_the_calendar(desk: Client, firm: Firm) -> None:
    engagement = engagement_of(firm, start_date=date(2025, 6, 10))
    assert confirm(desk, "move_to_calendar", engagement) == (
        "1 engagement moved to the calendar."
    )
    engagement.refresh_from_db()
    assert engagement.billing_anchor == date(2025, 7, 1)


def test_the_fee_is_typed_in_the_currency_of_the_engagement(
    desk: Client, alice: User, retainer: Engagement
) -> None:
    typed = {"effective_from": "2025-07-01"}
    answer = press(
        desk, ENGAGEMENTS, "change_fee", retainer, confirmed="yes", reason="x", fee="1.005",
        **typed,
    )  # fmt: skip
    assert b"An amount in USD has at most 2 decimals." in answer.content
    assert confirm(desk, "change_fee", retainer, fee="1250.50", **typed) == (
        "1 engagement changed."
    )
    rate = EngagementRate.objects.get()
    assert (rate.fee_minor, rate.effective_from) == (125_050, date(2025, 7, 1))
    assert AuditEvent.objects.get(action="engagement_fee_changed").actor == alice


def test_the_fee_of_one_engagement_is_changed_at_a_time(
    desk: Client, firm: Firm, retainer: Engagement
) -> None:
    other = engagement_of(firm)
    assert confirm(desk, "change_fee", retainer, other, fee="1") == "Select one engagement."


def test_who_may_only_look_presses_nothing(
    client: Client, firm: Firm, retainer: Engagement
) -> None:
    user = staff_of(firm, rights=False)
    looking = Permission.objects.filter(
        codename__in=["view_engagement", "view_engagementperiod"]
    )
    user.user_permissions.set(looking)
    client.force_login(user)
    generate_package_invoices()
    Invoice.objects.update(status="void")
    before = everything()
    for action in ("pause", "cancel", "change_fee", "change_interval"):
        confirm(client, action, retainer, fee="1", effective_from="2025-07-01")
    for action in ("issue", "invoice_again"):
        confirm(client, action, EngagementPeriod.objects.get(), where=PERIODS)
    assert everything() == before
    page = client.get(address("engagements.engagement", "change", retainer.pk))
    assert b"$1,000.00" in page.content


# ---- periods --------------------------------------------------------------------------------


def test_a_voided_period_is_invoiced_again(desk: Client, retainer: Engagement) -> None:
    generate_package_invoices()
    period = retainer.periods.get()
    assert confirm(desk, "invoice_again", period, where=PERIODS).startswith(
        "0 periods invoiced again, 1 skipped: "
    )
    Invoice.objects.update(status=Invoice.Status.VOID)
    assert confirm(desk, "invoice_again", period, where=PERIODS) == ("1 period invoiced again.")
    assert [invoice.number for invoice in invoices_of(retainer)] == ["INV-2025-002"]


def test_a_draft_is_issued(desk: Client, alice: User, retainer: Engagement) -> None:
    FirmSettings.objects.update(auto_issue_package_invoices=False)
    generate_package_invoices()
    period = retainer.periods.get()
    assert said(press(desk, PERIODS, "issue", period)) == "1 draft issued."
    assert said(press(desk, PERIODS, "issue", period)) == (
        "0 drafts issued, 1 skipped: INV-2025-001 is sent, no draft."
    )
    assert AuditEvent.objects.get(action="invoice_issued").actor == alice


def test_a_period_is_shown_to_its_last_day(desk: Client, retainer: Engagement) -> None:
    generate_package_invoices()
    soup = BeautifulSoup(desk.get(PERIODS).content, "html.parser")
    assert [cell.get_text() for cell in soup.select("td.field-last_day")] == ["June 30, 2025"]


# ---- the form -------------------------------------------------------------------------------


def test_a_draft_is_typed_in_major_units_of_its_accounts_currency(
    desk: Client, retainer: Engagement
) -> None:
    Engagement.objects.update(status="draft")
    retainer.account.currency = "JPY"
    retainer.account.save()
    where = address("engagements.engagement", "change", retainer.pk)
    data = filled(desk, where)
    answer = desk.post(where, data | {"package_fee_minor": "98000.5"})
    assert "An amount in JPY has no decimals." in str(answer.context["errors"])
    assert desk.post(where, data | {"package_fee_minor": "98000"}).status_code == 302
    retainer.refresh_from_db()
    assert (retainer.currency, retainer.package_fee_minor) == ("JPY", 98_000)


def test_what_was_agreed_is_read_only_once_it_is_in_force(
    desk: Client, retainer: Engagement
) -> None:
    where = address("engagements.engagement", "change", retainer.pk)
    data = filled(desk, where) | {
        "name": "Renamed", "end_date": "2025-12-31", "package_fee_minor": "1",
        "billing_interval": "annual", "start_date": "2020-01-01", "status": "draft",
    }  # fmt: skip
    assert desk.post(where, data).status_code == 302
    before = retainer
    retainer = Engagement.objects.get(pk=retainer.pk)
    assert (retainer.name, retainer.end_date) == ("Renamed", date(2025, 12, 31))
    for name in ("package_fee_minor", "billing_interval", "start_date", "status", "currency"):
        assert getattr(retainer, name) == getattr(before, name)
    soup = BeautifulSoup(desk.get(where).content, "html.parser")
    [fee] = soup.select(".field-package_fee_minor .readonly")
    assert fee.get_text(strip=True) == "$1,000.00"


def test_an_engagement_ends_after_it_begins(desk: Client, retainer: Engagement) -> None:
    where = address("engagements.engagement", "change", retainer.pk)
    answer = desk.post(where, filled(desk, where) | {"end_date": "2025-05-31"})
    assert "The last day is before the first." in str(answer.context["errors"])


def test_a_new_engagement_is_a_draft_of_its_accounts_firm(
    desk: Client, firm: Firm, retainer: Engagement
) -> None:
    where = address("engagements.engagement", "add")
    data = filled(desk, where) | {
        "name": "New", "account": retainer.account_id, "pricing_mode": "package",
        "package_fee_minor": "2500", "start_date": "2025-07-01", "bill_from": "2025-07-01",
    }  # fmt: skip
    answer = desk.post(where, data)
    assert answer.status_code == 302, answer.context["errors"]
    new = Engagement.objects.get(name="New")
    assert (new.firm, new.status, new.currency, new.package_fee_minor) == (
        firm, "draft", "USD", 250_000
    )  # fmt: skip
