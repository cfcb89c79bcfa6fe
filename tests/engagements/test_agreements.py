"""An engagement … as people put it in force, pause, change and end it (spec D1)."""

from datetime import date
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.billing.models import Invoice
from apps.billing.services import void_invoice
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.engagements import services
from apps.engagements.models import Engagement, EngagementPeriod, EngagementRate
from apps.engagements.services import generate_package_invoices
from apps.firms.models import FirmSettings
from apps.notifications.models import Notification
from tests.engagements.billing import at, billed, invoices_of
from tests.factories import EngagementFactory, UserFactory

pytestmark = pytest.mark.django_db

Interval = Engagement.Interval


def do(service: Any, engagement: Engagement, moment: str, *, today: bool = True) -> Any:
    """Call a service at a moment as a person would, and bring the engagement up to date."""
    with at(moment):
        on = {"today": engagement.firm.today(Clock.read())} if today else {}
        made = service(engagement=engagement, actor=None, reason="Asked for", **on)
    engagement.refresh_from_db()
    return made


def bill(moment: str) -> int:
    with at(moment):
        return generate_package_invoices().done


def totals(engagement: Engagement) -> list[int]:
    return [invoice.total_minor for invoice in invoices_of(engagement)]


# ---- in force -----------------------------------------------------------------------------


def test_is_billed_once_it_was_put_in_force() -> None:
    engagement = EngagementFactory(status="draft")
    assert bill("2025-01-01T12:00:00Z") == 0
    actor = UserFactory()
    services.activate_engagement(engagement=engagement, actor=actor, reason="Signed")
    assert bill("2025-01-01T12:00:00Z") == 1
    event = AuditEvent.objects.get(action="engagement_active")
    assert (event.actor, event.reason) == (actor, "Signed")
    assert event.changes == {"status": ["draft", "active"]}


@pytest.mark.parametrize(
    ("service", "status"),
    [
        (services.activate_engagement, "active"),
        (services.pause_engagement, "draft"),
        (services.resume_engagement, "active"),
        (services.complete_engagement, "cancelled"),
        (services.cancel_engagement, "completed"),
    ],
)
def test_is_left_as_it_is_by_what_does_not_fit(service: Any, status: str) -> None:
    engagement = EngagementFactory(name="Retainer", status=status)
    timed = service.__name__.split("_")[0] in {"pause", "resume", "complete"}
    with pytest.raises(Problem, match=rf"^Retainer is {status}\.$"):
        do(service, engagement, "2025-01-01T12:00:00Z", today=timed)
    assert not AuditEvent.objects.exists()


# ---- paused -------------------------------------------------------------------------------


def test_is_not_billed_for_a_pause() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10))
    bill("2025-01-10T12:00:00Z")
    do(services.pause_engagement, engagement, "2025-01-20T12:00:00Z")
    assert (engagement.status, engagement.paused_on) == ("paused", date(2025, 1, 20))
    assert bill("2025-03-01T12:00:00Z") == 0
    do(services.resume_engagement, engagement, "2025-03-24T12:00:00Z")
    skipped = EngagementPeriod.objects.filter(outcome="skipped", invoice=None)
    assert [(str(one.period_start), str(one.period_end)) for one in skipped] == [
        ("2025-02-10", "2025-03-10"),
        ("2025-03-10", "2025-03-24"),
    ]
    assert bill("2025-03-24T13:00:00Z") == 1
    assert bill("2025-04-10T13:00:00Z") == 1
    assert totals(engagement) == [100_000, 54_839, 100_000]  # 17 of 31 days
    assert engagement.paused_on is None
    event = AuditEvent.objects.get(action="engagement_active")
    assert event.changes["days_skipped"] == 42


def test_in_arrears_is_billed_for_the_days_beside_a_pause() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 1), billing_timing="arrears")
    do(services.pause_engagement, engagement, "2025-06-10T12:00:00Z")
    do(services.resume_engagement, engagement, "2025-06-20T12:00:00Z")
    assert bill("2025-07-01T12:00:00Z") == 2
    assert totals(engagement) == [30_000, 36_667]


def test_resumed_on_the_day_it_was_paused_loses_nothing() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10))
    do(services.pause_engagement, engagement, "2025-01-10T12:00:00Z")
    do(services.resume_engagement, engagement, "2025-01-10T15:00:00Z")
    assert bill("2025-01-10T16:00:00Z") == 1


def test_is_never_billed_back_when_nobody_knows_when_it_was_paused() -> None:
    engagement = EngagementFactory(status="paused", start_date=date(2025, 1, 10))
    do(services.resume_engagement, engagement, "2025-06-10T12:00:00Z")
    assert bill("2025-06-10T13:00:00Z") == 1
    assert [start for start, _ in billed(engagement)][-1] == "2025-06-10"


# ---- ended --------------------------------------------------------------------------------


def test_is_completed_today() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10))
    bill("2025-01-10T12:00:00Z")
    do(services.complete_engagement, engagement, "2025-01-20T12:00:00Z")
    assert (engagement.status, engagement.end_date) == ("completed", date(2025, 1, 20))
    assert bill("2025-02-10T12:00:00Z") == 0


def test_is_not_completed_before_what_was_worked_is_billed() -> None:
    engagement = EngagementFactory(
        name="Retainer", start_date=date(2025, 6, 1), billing_timing="arrears"
    )
    sentence = (
        r"^Retainer is not billed from 2025-06-01 yet: make 2025-06-20 its last day, "
        r"and complete it when that is done\.$"
    )
    with pytest.raises(Problem, match=sentence):
        do(services.complete_engagement, engagement, "2025-06-20T12:00:00Z")
    Engagement.objects.update(end_date=date(2025, 6, 20))
    assert bill("2025-06-21T12:00:00Z") == 1
    assert totals(engagement) == [66_667]
    do(services.complete_engagement, engagement, "2025-06-21T12:00:00Z")
    assert engagement.end_date == date(2025, 6, 20)


def test_is_completed_though_nothing_was_ever_billed_by_package() -> None:
    engagement = EngagementFactory(pricing_mode="hourly")
    do(services.complete_engagement, engagement, "2025-06-20T12:00:00Z")
    assert engagement.status == "completed"


def test_is_cancelled_with_what_is_not_billed() -> None:
    engagement = EngagementFactory(billing_timing="arrears")
    do(services.cancel_engagement, engagement, "2025-06-20T12:00:00Z", today=False)
    assert bill("2025-07-01T12:00:00Z") == 0


# ---- its terms ----------------------------------------------------------------------------


def test_is_billed_by_the_new_interval_after_what_was_claimed() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10))
    bill("2025-02-10T12:00:00Z")
    services.change_interval(
        engagement=engagement, interval=Interval.QUARTERLY, actor=None, reason=""
    )
    engagement.refresh_from_db()
    assert engagement.billing_anchor == date(2025, 3, 10)
    bill("2025-06-10T12:00:00Z")
    assert billed(engagement) == [
        ("2025-01-10", "2025-02-10"),
        ("2025-02-10", "2025-03-10"),
        ("2025-03-10", "2025-06-10"),
        ("2025-06-10", "2025-09-10"),
    ]


def test_keeps_its_anchor_when_the_interval_changes_before_anything_was_billed() -> None:
    engagement = EngagementFactory(name="Retainer", start_date=date(2025, 1, 10))
    annual = {"interval": Interval.ANNUAL, "actor": None, "reason": ""}
    services.change_interval(engagement=engagement, **annual)
    engagement.refresh_from_db()
    assert engagement.anchor == date(2025, 1, 10)
    with pytest.raises(Problem, match=r"^Retainer is billed annual already\.$"):
        services.change_interval(engagement=engagement, **annual)


def test_is_billed_from_the_first_after_a_part_of_a_period() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10))
    bill("2025-01-10T12:00:00Z")
    do(services.move_to_calendar, engagement, "2025-01-20T12:00:00Z", today=False)
    assert engagement.billing_anchor == date(2025, 3, 1)
    bill("2025-03-01T12:00:00Z")
    assert billed(engagement) == [
        ("2025-01-10", "2025-02-10"),
        ("2025-02-10", "2025-03-01"),
        ("2025-03-01", "2025-04-01"),
    ]
    assert totals(engagement) == [100_000, 67_857, 100_000]  # 19 of 28 days


@pytest.mark.parametrize(
    ("bill_from", "first"),
    [(date(2025, 1, 10), "2025-01-10"), (date(2025, 1, 11), "2025-02-10")],
)
def test_is_moved_to_the_calendar_before_anything_was_billed(
    bill_from: date, first: str
) -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 10), bill_from=bill_from)
    do(services.move_to_calendar, engagement, "2025-01-10T12:00:00Z", today=False)
    bill("2025-03-01T12:00:00Z")
    assert billed(engagement)[0][0] == first
    assert billed(engagement)[-1] == ("2025-03-01", "2025-04-01")


def test_is_moved_to_the_calendar_once() -> None:
    engagement = EngagementFactory(name="Retainer", start_date=date(2025, 1, 1))
    with pytest.raises(Problem, match=r"^Retainer is billed from the 1st already\.$"):
        do(services.move_to_calendar, engagement, "2025-01-20T12:00:00Z", today=False)


def test_costs_a_new_fee_from_a_day_on() -> None:
    engagement = EngagementFactory(start_date=date(2025, 1, 1))
    for fee in (120_000, 130_000):  # the second corrects the first
        services.change_fee(
            engagement=engagement,
            fee_minor=fee,
            effective_from=date(2025, 2, 1),
            actor=None,
            reason="New year",
        )
    assert EngagementRate.objects.get().fee_minor == 130_000
    bill("2025-02-01T12:00:00Z")
    assert totals(engagement) == [100_000, 130_000]
    assert AuditEvent.objects.filter(action="engagement_fee_changed").count() == 2


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_keeps_its_terms_when_it_is_over(status: str) -> None:
    engagement = EngagementFactory(name="Retainer", status=status)
    with pytest.raises(Problem, match=rf"^Retainer is {status}\.$"):
        services.change_interval(
            engagement=engagement, interval=Interval.ANNUAL, actor=None, reason=""
        )


# ---- periods, on purpose --------------------------------------------------------------------


def void(invoice: Invoice) -> None:
    void_invoice(
        invoice=invoice, actor=None, reason="", today=date(2025, 2, 5), now=invoice.sent_at
    )


def invoice_again(period: EngagementPeriod) -> Invoice:
    with at("2025-02-05T12:00:00Z"):
        return services.reissue_period(
            period=period, today=date(2025, 2, 5), now=Clock.read().now, actor=None, reason="x"
        )


@pytest.mark.parametrize(
    ("end_date", "fee", "total"),
    [
        (None, None, 100_000),
        (None, 120_000, 120_000),
        (date(2025, 1, 10), None, 32_258),
        (date(2025, 1, 10), 200_000, 64_516),
    ],
)
def test_is_invoiced_again_for_a_voided_period(
    end_date: date | None, fee: int | None, total: int
) -> None:
    engagement = EngagementFactory(end_date=end_date, tax_percent=0)
    bill("2025-01-05T12:00:00Z")
    [old] = invoices_of(engagement)
    void(old)
    if fee:
        Engagement.objects.update(package_fee_minor=fee)
    new = invoice_again(engagement.periods.get())
    assert (new.number, new.total_minor, new.issue_date) == (
        "INV-2025-002", total, date(2025, 2, 5)
    )  # fmt: skip
    assert invoices_of(engagement) == [new]
    assert Notification.objects.count() == 2
    event = AuditEvent.objects.get(action="engagement_period_reissued")
    assert event.changes == {"invoice": [old.pk, new.pk]}


def test_is_not_invoiced_again_while_the_invoice_stands() -> None:
    engagement = EngagementFactory()
    bill("2025-01-05T12:00:00Z")
    with pytest.raises(Problem, match="has no voided invoice"):
        invoice_again(engagement.periods.get())
    assert Invoice.objects.count() == 1


def test_tells_the_client_when_a_draft_is_issued() -> None:
    engagement = EngagementFactory()
    FirmSettings.objects.update(auto_issue_package_invoices=False)
    bill("2025-01-05T12:00:00Z")
    assert not Notification.objects.exists()
    with at("2025-01-07T12:00:00Z"):
        invoice = services.issue_drafted_period(
            period=engagement.periods.get(), today=date(2025, 1, 7), now=Clock.read().now,
            actor=None,
        )  # fmt: skip
    assert (invoice.number, invoice.due_date) == ("INV-2025-001", date(2025, 2, 6))
    told = Notification.objects.get()
    assert (told.recipient_contact, told.context["due"]) == (
        engagement.account.contact, "2025-02-06"
    )  # fmt: skip
