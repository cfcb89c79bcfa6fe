"""check_subscription_status … (spec D33)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.problems import BadOption
from apps.firms.models import Firm, Membership, UserSession
from apps.notifications.models import Notification
from apps.subscriptions.services import (
    cancel_at_period_end,
    check_subscription_status,
    keep,
    reactivate,
    suspend,
)
from sandbox import Sandbox
from tests.factories import PASSWORD, MembershipFactory, PaymentOrderFactory
from tests.subscriptions.subscribing import (
    EXPIRY,
    at,
    check,
    days_from,
    fresh,
    neighbour_untouched,
    now,
    on,
    operator,
    output,
    owner_of,
    saved_card,
    stands,
    subjects,
    subscriber,
    told,
)

pytestmark = pytest.mark.django_db

SUSPENDED = ("suspended", "2025-06-13", "suspended")


# ---- the days -------------------------------------------------------------------------------


def test_reminds_urges_warns_and_suspends_day_by_day() -> None:
    subscription = subscriber()
    sent: dict[str, str] = {}
    for day in days_from(date(2025, 6, 5), 17):
        before = len(subjects(subscription))
        check(day)
        for subject in subjects(subscription)[before:]:
            sent[f"{day:%d}"] = subject
    assert sent == {
        "06": "Your subscription expires in 7 days",
        "10": "⚠️ Urgent: expires in 3 days",
        "13": "Payment required - 7 days until suspension",
        "14": "Payment required - 6 days until suspension",
        "15": "Payment required - 5 days until suspension",
        "16": "Payment required - 4 days until suspension",
        "17": "Payment required - 3 days until suspension",
        "18": "Payment required - 2 days until suspension",
        "19": "Payment required - 1 day until suspension",
        "20": "🔒 Account suspended",
    }
    assert stands(subscription) == SUSPENDED


@pytest.mark.parametrize(
    ("grace_days", "suspended_on"),
    [(0, "2025-06-13"), (1, "2025-06-14"), (7, "2025-06-20"), (14, "2025-06-27")],
)
def test_suspends_when_the_days_of_grace_are_over(grace_days: int, suspended_on: str) -> None:
    subscription = subscriber()
    day = date.fromisoformat(suspended_on)
    check(day - timedelta(days=1), grace_days=grace_days)
    assert stands(subscription)[2] == "active"
    check(day, grace_days=grace_days)
    assert stands(subscription) == SUSPENDED


def test_takes_the_days_of_grace_from_the_settings(settings: object) -> None:
    settings.SUBSCRIPTION_GRACE_DAYS = 2  # type: ignore[attr-defined]
    subscription = subscriber()
    check("2025-06-15")
    assert stands(subscription) == SUSPENDED


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2025-06-05T19:59:00Z", []),  # 23:59 in Tbilisi
        ("2025-06-05T20:00:00Z", ["Your subscription expires in 7 days"]),
        ("2025-06-05T21:00:00Z", ["Your subscription expires in 7 days"]),
    ],
)
def test_goes_by_the_date_in_tbilisi(moment: str, expected: list[str]) -> None:
    subscription = subscriber()
    with at(moment):
        check_subscription_status()
    assert subjects(subscription) == expected


def test_goes_by_each_firms_own_date() -> None:
    here, there = subscriber(), subscriber("honolulu", timezone="Pacific/Honolulu")
    with at("2025-06-20T05:00:00Z"):  # still the 19th on Hawaii
        check_subscription_status()
    assert (stands(here)[0], stands(there)[0]) == ("suspended", "grace")


@pytest.mark.parametrize(
    ("day", "subject"),
    [
        ("2025-06-07", "Your subscription expires in 6 days"),
        ("2025-06-09", "Your subscription expires in 4 days"),
        ("2025-06-11", "⚠️ Urgent: expires in 2 days"),
        ("2025-06-12", "⚠️ Urgent: expires in 1 day"),
        ("2025-06-16", "Payment required - 4 days until suspension"),
        ("2025-06-25", "🔒 Account suspended"),
    ],
)
def test_catches_up_with_one_message_and_the_actual_number(day: str, subject: str) -> None:
    subscription = subscriber()
    check(day)
    assert subjects(subscription) == [subject]


def test_says_everything_once_however_often_it_runs() -> None:
    subscription = subscriber()
    for day in ("2025-06-06", "2025-06-10", "2025-06-14", "2025-06-20"):
        check(day)
        again = check(day)
        assert (again.done, again.failed) == (0, 0)
    assert told(subscription) == ["reminder", "urgent", "grace", "suspended"]


def test_leaves_alone_what_never_expires_or_is_closed() -> None:
    never = subscriber("for-ever", expires_on=None)
    closed = subscriber("closed")
    Firm.objects.filter(pk=closed.firm_id).update(status="closed")
    assert check("2025-06-25").done == 0
    assert (told(never), told(closed)) == ([], [])
    assert stands(closed)[2] == "closed"


def test_treats_a_trial_like_any_other() -> None:
    trial = subscriber("new-firm", status="trialing")
    Firm.objects.filter(pk=trial.firm_id).update(status="trial")
    check("2025-06-12")
    check("2025-06-20")
    assert told(trial) == ["urgent", "suspended"]
    assert stands(trial) == SUSPENDED


# ---- what is said ---------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["2025-06-06", "2025-06-11"])
def test_says_that_a_healthy_card_will_renew(day: str) -> None:
    subscription = subscriber()
    saved_card(subscription)
    check(day)
    assert subjects(subscription) == ["Your subscription will renew on 13 June 2025"]
    [notification] = Notification.objects.filter(firm=subscription.firm)
    assert notification.context["card"] == "•••• 0100"


@pytest.mark.parametrize(
    "how",
    [{"card_invalid_reason": "the card has expired"}, {"amount_minor": 4_900}],
    ids=["invalid", "another_price"],
)
def test_asks_for_money_when_the_card_will_not_do(how: dict[str, object]) -> None:
    subscription = subscriber()
    saved_card(subscription, **how)  # type: ignore[arg-type]
    check("2025-06-06")
    assert subjects(subscription) == ["Your subscription expires in 7 days"]


def test_asks_for_money_when_the_card_has_failed_in_this_cycle() -> None:
    subscription = subscriber()
    card = saved_card(subscription)
    PaymentOrderFactory(
        subscription=subscription, kind="renewal", status="failed", failure_code="107",
        parent_order=card, card_saved=False, cycle_expires_on=EXPIRY, applied_at=None,
    )  # fmt: skip
    check("2025-06-11")
    assert subjects(subscription) == ["⚠️ Urgent: expires in 2 days"]


def test_tells_owners_only() -> None:
    subscription = subscriber()
    MembershipFactory(firm=subscription.firm)  # an admin
    check("2025-06-06")
    [notification] = Notification.objects.filter(firm=subscription.firm)
    assert notification.recipient_user == owner_of(subscription)


def test_says_when_there_is_nobody_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    subscription = subscriber()
    Membership.objects.all().delete()
    with on("2025-06-06"):
        first = output("check_subscription_status")
    assert "⚠ tbilisi-motors: expires in 7 days - reminder sent, no owner can be told" in first
    assert "Reminders sent: 0" in first
    check("2025-06-20")
    assert stands(subscription) == SUSPENDED


def test_prints_what_the_specification_shows() -> None:
    subscriber("batumi-travel", expires_on=date(2025, 6, 17))
    subscriber("tbilisi-motors", expires_on=date(2025, 6, 13))
    subscriber("telavi-wines", expires_on=date(2025, 6, 4))
    subscriber("zugdidi-farm", expires_on=date(2025, 6, 3))
    subscriber("mycompany", expires_on=date(2025, 6, 30))
    with on("2025-06-10"):
        would = output("check_subscription_status", dry_run=True)
        did = output("check_subscription_status")
    assert did == (
        "Checking subscription status (grace period: 7 days)...\n"
        "  ✓ batumi-travel: expires in 7 days - reminder sent\n"
        "  ✓ tbilisi-motors: expires in 3 days - urgent reminder sent\n"
        "  ⚠ telavi-wines: 6 days overdue - 1 day until suspension\n"
        "  ✗ zugdidi-farm: 7 days overdue - suspended\n"
        "\nSummary:\n"
        "  Reminders sent: 1\n"
        "  Urgent reminders sent: 1\n"
        "  Grace warnings sent: 1\n"
        "  Tenants suspended: 1\n"
        "  Errors: 0\n"
    )
    assert [line.strip() for line in would.splitlines()[1:5]] == [
        "✓ Would remind batumi-travel: expires in 7 days",
        "✓ Would urgently remind tbilisi-motors: expires in 3 days",
        "⚠ Would warn telavi-wines: 6 days overdue - 1 day until suspension",
        "✗ Would suspend zugdidi-farm: 7 days overdue",
    ]


# ---- options --------------------------------------------------------------------------------


def test_confines_itself_to_a_tenant() -> None:
    mine, neighbour = subscriber("mine"), subscriber("neighbour")
    with neighbour_untouched(neighbour.firm):
        check("2025-06-20", tenant="mine")
    assert stands(mine) == SUSPENDED
    with neighbour_untouched(mine.firm):
        check("2025-06-20", firm_id=neighbour.firm_id)
    assert stands(neighbour) == SUSPENDED


def test_refuses_options_that_cannot_be() -> None:
    with pytest.raises(BadOption, match=r"^Tenant 'x' does not exist\.$"):
        check_subscription_status(tenant="x")
    with pytest.raises(BadOption, match="grace-days must be zero or a positive integer"):
        check_subscription_status(grace_days=-1)
    with pytest.raises(CommandError, match=r"^Tenant 'x' does not exist\.$"):
        output("check_subscription_status", tenant="x")


def test_leaves_no_trace_in_a_dry_run() -> None:
    subscription = subscriber()
    with neighbour_untouched(subscription.firm):
        assert check("2025-06-20", dry_run=True).done == 1
        assert check("2025-06-01", dry_run=True, as_of="2025-06-14").done == 1


def test_spares_the_others_when_a_firm_is_in_no_time_zone() -> None:
    good, bad = subscriber("good"), subscriber("bad")
    Firm.objects.filter(pk=bad.firm_id).update(timezone="Mars/Base")
    report = check("2025-06-20")
    assert (report.done, report.failed) == (1, 1)
    assert (stands(good)[0], stands(bad)[0]) == ("suspended", "active")


# ---- suspension -----------------------------------------------------------------------------


def _signs_in(member: Membership, *, firm: Firm | None) -> str:
    key = f"session-{member.pk}"
    expires = datetime(2025, 7, 1, tzinfo=UTC)
    Session.objects.create(session_key=key, session_data="x", expire_date=expires)
    UserSession.objects.create(
        user=member.user, firm=firm, session_key=key, last_activity_at=expires,
        expires_at=expires,
    )  # fmt: skip
    return key


def test_signs_everybody_out_but_the_owners() -> None:
    subscription, neighbour = subscriber(), subscriber("neighbour", expires_on=None)
    firm = subscription.firm
    owner = Membership.objects.get(firm=firm)
    clerk, drifter = MembershipFactory(firm=firm), MembershipFactory(firm=firm)
    both = MembershipFactory(firm=firm)
    MembershipFactory(firm=neighbour.firm, user=both.user)
    stays = {
        _signs_in(owner, firm=firm),
        _signs_in(both, firm=None),
        _signs_in(Membership.objects.get(firm=neighbour.firm, user=both.user), firm=None),
        _signs_in(Membership.objects.filter(firm=neighbour.firm).earliest("pk"), firm=None),
    }
    _signs_in(clerk, firm=firm)
    _signs_in(drifter, firm=None)
    check("2025-06-20")
    assert set(Session.objects.values_list("session_key", flat=True)) == stays
    assert set(UserSession.objects.values_list("session_key", flat=True)) == stays


def test_really_signs_them_out() -> None:
    subscription, neighbour = subscriber(), subscriber("neighbour", expires_on=None)
    clerk = MembershipFactory(firm=subscription.firm).user
    other = MembershipFactory(firm=neighbour.firm).user
    browsers = {name: Client() for name in ("owner", "clerk", "other", "operator")}
    people = {"owner": owner_of(subscription), "clerk": clerk, "other": other}
    with on("2025-06-19"):
        for name, user in (people | {"operator": operator()}).items():
            form = {"username": user.username, "password": PASSWORD}
            assert browsers[name].post("/admin/login/", form).status_code == 302
            assert browsers[name].get("/admin/").status_code == 200
    check("2025-06-20")
    with on("2025-06-20"):
        answers = {name: one.get("/admin/").status_code for name, one in browsers.items()}
    assert answers == {"owner": 200, "clerk": 302, "other": 200, "operator": 200}


def test_writes_a_suspension_down() -> None:
    subscription = subscriber()
    check("2025-06-20")
    row = fresh(subscription)
    assert row.firm.suspension_reason == "unpaid"
    assert row.firm.is_active is False
    assert row.suspended_at == row.firm.suspended_at == datetime(2025, 6, 20, 12, tzinfo=UTC)
    event = AuditEvent.objects.get(action="firm_suspended")
    assert (event.firm, event.actor_label, event.reason) == (row.firm, "system", "unpaid")


def test_ends_what_was_cancelled_without_asking_for_money() -> None:
    subscription = subscriber()
    with on("2025-06-05"):
        cancel_at_period_end(subscription=subscription, by=owner_of(subscription))
    for day in days_from(date(2025, 6, 6), 10):
        check(day)
    assert subjects(subscription) == ["Your subscription has ended"]
    row = fresh(subscription)
    assert (row.status, row.firm.status, row.firm.suspension_reason) == (
        "cancelled", "suspended", "cancelled"
    )  # fmt: skip
    assert row.suspended_at == datetime(2025, 6, 13, 12, tzinfo=UTC)


def test_goes_on_reminding_when_a_cancellation_was_taken_back() -> None:
    subscription = subscriber()
    owner = owner_of(subscription)
    cancel_at_period_end(subscription=subscription, by=owner)
    keep(subscription=subscription, by=owner)
    check("2025-06-06")
    assert told(subscription) == ["reminder"]
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == [
        "subscription_cancelled", "subscription_kept"
    ]  # fmt: skip


def test_gives_grace_again_after_a_person_has_let_the_firm_back() -> None:
    subscription = subscriber()
    check("2025-06-20")
    with on("2025-06-22"):
        reactivate(
            subscription=subscription, reason="They will pay", by=operator(), clock=now()
        )
    assert stands(subscription) == ("grace", "2025-06-22", "active")
    check("2025-06-28")
    assert stands(subscription)[2] == "active"
    check("2025-06-29")
    assert stands(subscription) == ("suspended", "2025-06-22", "suspended")


def test_leaves_alone_whom_a_person_has_suspended() -> None:
    subscription = subscriber(expires_on=date(2025, 7, 13))
    with on("2025-06-10"):
        suspend(subscription=subscription, reason="Spam", by=operator(), clock=now())
    check("2025-07-20")
    assert fresh(subscription).firm.suspension_reason == "Spam"
    assert told(subscription) == []


# ---- payments that are under way ------------------------------------------------------------


def _pending(bank: Sandbox | None, requested_at: datetime, **how: object) -> object:
    subscription = subscriber()
    card = saved_card(subscription, bank)
    how.setdefault("status", "pending")
    order = PaymentOrderFactory(
        subscription=subscription, kind="renewal", parent_order=card, card_saved=False,
        cycle_expires_on=EXPIRY, applied_at=None, resolved_at=None,
        external_order_id="renewal-1", requested_at=requested_at,
        bog_order_id=_charge_at(bank, card.bog_order_id) if bank else "bog-lost", **how,
    )  # fmt: skip
    return subscription, order


def _charge_at(bank: Sandbox, parent: str) -> str:
    """Charge a card behind our ledger's back, as a run does that then dies."""
    from contextlib import closing
    from uuid import uuid4

    from moneyed import Money

    from apps.integrations.cards import SavedCardCharge, get_cards
    from tests.subscriptions.conftest import CLIENT

    with closing(get_cards(provider="bog", **CLIENT)) as cards:
        return cards.charge_saved_card(
            SavedCardCharge(parent, Money(59, "GEL"), "renewal-1", uuid4(), "")
        )


def test_waits_for_a_payment_that_is_pending_at_the_bank(bank: Sandbox) -> None:
    subscription, _ = _pending(bank, datetime(2025, 6, 20, 2, tzinfo=UTC))  # type: ignore[misc]
    with on("2025-06-20"):
        lines = output("check_subscription_status")
    assert "- tbilisi-motors: 7 days overdue - a payment is under way at the bank" in lines
    assert stands(subscription)[2] == "active"


def test_asks_the_bank_first_and_extends_when_it_was_paid(bank: Sandbox) -> None:
    subscription, order = _pending(bank, datetime(2025, 6, 20, 2, tzinfo=UTC))  # type: ignore[misc]
    bank.bog.settle(order.bog_order_id)
    check("2025-06-20")
    assert stands(subscription) == ("active", "2025-07-13", "active")


def test_suspends_when_the_bank_has_said_no(bank: Sandbox) -> None:
    subscription, order = _pending(bank, datetime(2025, 6, 20, 2, tzinfo=UTC))  # type: ignore[misc]
    bank.bog.settle(order.bog_order_id, code="107")
    check("2025-06-20")
    assert stands(subscription) == SUSPENDED


def test_waits_for_the_bank_no_longer_than_two_days(bank: Sandbox) -> None:
    operator()
    subscription, order = _pending(bank, datetime(2025, 6, 18, 11, tzinfo=UTC))  # type: ignore[misc]
    check("2025-06-20")
    order.refresh_from_db()
    assert (order.status, stands(subscription)) == ("unknown", SUSPENDED)
    assert told(subscription) == ["alert", "suspended"]


def test_suspends_nobody_about_whose_old_payment_the_bank_cannot_be_asked(
    bank: Sandbox,
) -> None:
    subscription, _ = _pending(bank, datetime(2025, 6, 17, 2, tzinfo=UTC))  # type: ignore[misc]
    bank.bog.misbehave("error_before", method="GET", count=None)
    report = check("2025-06-20")
    assert report.failed == 1
    assert stands(subscription)[2] == "active"


def test_does_not_call_for_money_while_a_payment_is_under_way() -> None:
    subscription, _ = _pending(None, datetime(2025, 6, 14, 2, tzinfo=UTC))  # type: ignore[misc]
    check("2025-06-14")
    assert told(subscription) == []
    assert stands(subscription)[0] == "grace"


def test_costs_the_same_statements_for_few_and_for_many() -> None:
    costs = []
    for count in (2, 20):
        for number in range(count):
            subscriber(f"soon-{count}-{number}")
            subscriber(f"late-{count}-{number}", expires_on=date(2025, 6, 1))
        with CaptureQueriesContext(connection) as queries:
            check("2025-06-10")
        costs.append(len(queries))
    assert costs[1] <= costs[0] + 8  # SQLite cuts long inserts into several statements
