"""The platform's own people see what it sells and decide; firms' staff see none of it."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.firms.models import User
from apps.firms.rights import staff_group
from apps.notifications.models import Notification
from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from apps.subscriptions.plans import FIRST_PLANS
from apps.subscriptions.services.owners import alert
from tests.factories import MembershipFactory, PaymentOrderFactory
from tests.subscriptions.subscribing import (
    fresh,
    on,
    operator,
    owner_of,
    saved_card,
    stands,
    subjects,
    subscriber,
)

pytestmark = pytest.mark.django_db

PAGES = ("plan", "subscription", "paymentorder")


@pytest.fixture
def someone() -> User:
    return operator()


@pytest.fixture
def office(client: Client, someone: User) -> Client:
    client.force_login(someone)
    return client


@pytest.fixture
def unknown() -> PaymentOrder:
    subscription = subscriber()
    card = saved_card(subscription)
    order: PaymentOrder = PaymentOrderFactory(
        subscription=subscription, kind="renewal", status="unknown", parent_order=card,
        card_saved=False, cycle_expires_on=subscription.expires_on, applied_at=None,
        resolved_at=None, bog_order_id="",
    )  # fmt: skip
    return order


def address(page: str, what: str = "changelist", *pk: Any) -> str:
    return reverse(f"admin:subscriptions_{page}_{what}", args=pk)


def press(office: Client, page: str, action: str, row: Any, day: str = "2025-06-12") -> str:
    data = {"action": action, "_selected_action": [row.pk], "confirmed": "yes"}
    with on(day):
        answer = office.post(address(page), data | {"reason": "Seen at the bank"}, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


# ---- who looks ------------------------------------------------------------------------------


def test_shows_everything_to_operators(office: Client, unknown: PaymentOrder) -> None:
    for page, row in (
        ("plan", unknown.subscription.plan),
        ("subscription", unknown.subscription),
        ("paymentorder", unknown),
    ):
        assert office.get(address(page)).status_code == 200
        answer = office.get(address(page, "change", row.pk))
        assert "59.00 GEL" in answer.content.decode() or page == "plan"


def test_shows_nothing_to_staff_whatever_their_rights(
    client: Client, unknown: PaymentOrder
) -> None:
    user = MembershipFactory(firm=unknown.firm, roles=["owner"]).user
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="subscriptions")
    )
    client.force_login(user)
    for page in PAGES:
        assert client.get(address(page)).status_code == 403
    for action in ("was_charged", "never_happened"):
        data = {"action": action, "_selected_action": [unknown.pk], "confirmed": "yes"}
        assert client.post(address("paymentorder"), data).status_code == 403
    unknown.refresh_from_db()
    assert unknown.status == "unknown"


def test_money_is_not_edited(office: Client, unknown: PaymentOrder) -> None:
    for page, row in (("subscription", unknown.subscription), ("paymentorder", unknown)):
        where = address(page, "change", row.pk)
        assert office.post(where, {"status": "completed"}).status_code == 403
        assert office.post(address(page, "add"), {}).status_code == 403
        gone = office.post(address(page, "delete", row.pk), {"post": "yes"})
        assert gone.status_code == 403


def test_prices_are_typed_as_people_write_them(office: Client) -> None:
    plan = Plan.objects.get(code="professional")
    data = {
        "code": plan.code, "name": plan.name, "price_minor": "69.50", "currency": "GEL",
        "period_count": 30, "trial_days": 14,
    }  # fmt: skip
    assert office.post(address("plan", "change", plan.pk), data).status_code == 302
    plan.refresh_from_db()
    assert plan.price_minor == 6_950


def test_a_new_platform_has_plans_to_sell() -> None:
    found = Plan.objects.filter(code__in=[code for code, _, _ in FIRST_PLANS])
    assert {(one.code, one.price_minor, one.period_count) for one in found} == {
        ("starter", 2_900, 30), ("professional", 5_900, 30), ("enterprise", 14_900, 30)
    }  # fmt: skip


def test_what_operators_are_told_of_an_order_is_not_in_a_firms_outbox(
    client: Client, someone: User, unknown: PaymentOrder
) -> None:
    firm, neighbour = unknown.firm, subscriber("neighbour").firm
    member = MembershipFactory(
        firm=firm, user__username="in-both", user__is_superuser=True
    ).user
    owner = owner_of(unknown.subscription)
    owner.groups.add(staff_group())
    alert(unknown, kind="mismatch", what="The bank received 0.01 GEL.")
    client.force_login(owner)
    where = reverse("admin:notifications_notification_changelist")
    page = client.get(where).content.decode()
    assert "subscription_alert" not in page
    assert someone.username not in page
    assert member.username not in page
    client.force_login(someone)
    shown = client.get(where).context["cl"].result_list
    assert {row.recipient_user for row in shown} == {someone, member}
    assert not Notification.objects.filter(firm=neighbour).exists()


# ---- decisions ------------------------------------------------------------------------------


def test_a_charge_that_was_found_at_the_bank_extends_once(
    office: Client, someone: User, unknown: PaymentOrder
) -> None:
    assert press(office, "paymentorder", "was_charged", unknown) == "1 order decided."
    assert stands(unknown.subscription) == ("active", "2025-07-13", "active")
    assert "Completed; nothing to decide" in press(
        office, "paymentorder", "was_charged", unknown
    ).replace("completed", "Completed")
    assert str(fresh(unknown.subscription).expires_on) == "2025-07-13"
    assert subjects(unknown.subscription) == ["Receipt: 59.00 GEL, paid until 13 July 2025"]
    event = AuditEvent.objects.get(action="payment_order_decided")
    assert (event.firm, event.actor, event.reason) == (None, someone, "Seen at the bank")


def test_a_charge_that_never_happened_frees_its_cycle(
    office: Client, unknown: PaymentOrder
) -> None:
    assert press(office, "paymentorder", "never_happened", unknown) == "1 order decided."
    unknown.refresh_from_db()
    assert (unknown.status, unknown.failure_code) == ("failed", "never happened")
    assert stands(unknown.subscription) == ("active", "2025-06-13", "active")


def test_suspends_and_lets_back(office: Client, someone: User) -> None:
    subscription = subscriber()
    assert press(office, "subscription", "suspend", subscription) == "1 subscription suspended."
    assert stands(subscription) == ("suspended", "2025-06-13", "suspended")
    assert "is suspended already" in press(office, "subscription", "suspend", subscription)
    said = press(office, "subscription", "reactivate", subscription)
    assert said == "1 subscription reactivated."
    assert stands(subscription) == ("active", "2025-06-13", "active")
    assert "is not suspended" in press(office, "subscription", "reactivate", subscription)
    events = AuditEvent.objects.filter(firm=subscription.firm, actor=someone).order_by("pk")
    assert [event.action for event in events] == ["firm_suspended", "firm_reactivated"]


def test_a_person_can_take_over_an_unpaid_suspension(office: Client) -> None:
    subscription = subscriber()
    Subscription.objects.filter(pk=subscription.pk).update(status="suspended")
    firm = subscription.firm
    firm.status, firm.suspension_reason = "suspended", "unpaid"
    firm.save()
    assert press(office, "subscription", "suspend", subscription) == "1 subscription suspended."
    assert fresh(subscription).firm.suspension_reason == "Seen at the bank"
