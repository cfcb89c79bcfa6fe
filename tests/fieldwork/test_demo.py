"""The demo world's field work … is what the jobs' first run finds (spec E2, E3.2, E4)."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Count, ForeignKey, Model, Sum

from apps.billing.models import Invoice, NumberSequence, Payment
from apps.core import days
from apps.fieldwork.models import (
    ComplianceDocument,
    Estimate,
    Payout,
    PayoutRequest,
    SummaryMark,
    WorkOrder,
    WorkOrderEvent,
)
from apps.fieldwork.services import gaps_of
from apps.firms.models import Firm

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("demo_world", "reference_clock"),
]

TODAY = date(2025, 6, 10)
YESTERDAY = tuple(
    days.local_midnight(TODAY - timedelta(days=ago), "America/Chicago") for ago in (1, 0)
)


@pytest.fixture
def fixit() -> Firm:
    return Firm.objects.get(slug="fixit-services")


def numbers(orders: Any) -> list[str]:
    return sorted(order.number.removeprefix("JOB-000") for order in orders)


def yesterday(rows: Any, column: str) -> Any:
    """Limit rows to the firm's local yesterday, a half-open interval."""
    begin, end = YESTERDAY
    return rows.filter(**{f"{column}__gte": begin, f"{column}__lt": end})


def states(rows: Any) -> dict[str, int]:
    return dict(rows.values_list("status").annotate(n=Count("pk")))


# ---- fixit-services -------------------------------------------------------------------------


def test_three_papers_enter_the_window_and_two_are_past(fixit: Firm) -> None:
    papers = ComplianceDocument.objects.for_firm(fixit)
    ends = sorted(
        (paper.expires_on - TODAY).days
        for paper in papers.current().exclude(expires_on=None)
        if paper.expires_on
    )
    assert ends == [-40, -1, 1, 14, 30, 31, 200]
    assert states(papers) == {"VALID": 8, "SUPERSEDED": 1}
    assert papers.current().filter(expires_on=None).count() == 1
    assert papers.expiring(on=TODAY, days=30).count() == 3
    [replaced] = papers.filter(status="SUPERSEDED")
    assert replaced.replaced_by is not None
    assert replaced.replaced_by.expires_on == TODAY + timedelta(days=30)


def test_two_contractors_are_on_hold_for_their_papers(fixit: Firm) -> None:
    contractors = fixit.contractors.select_related("contact")
    gaps = gaps_of([one.pk for one in contractors], on=TODAY)
    names = sorted(str(one) for one in contractors if one.pk in gaps)
    assert names == ["Delgado Painting", "Ember Heating"]


def test_has_the_jobs_that_wait_for_somebody(fixit: Firm) -> None:
    orders = WorkOrder.objects.for_firm(fixit)
    assert numbers(orders.unassigned()) == ["123", "124", "128", "129", "130"]
    assert numbers(orders.approaching(on=TODAY, days=7)) == ["125", "126", "127"]
    assert numbers(orders.overdue(on=TODAY)) == ["120", "121"]
    painting = orders.get(number="JOB-000120")
    assert (painting.title, painting.due_date) == ("Painting", TODAY - timedelta(days=5))


def test_has_three_stale_jobs(fixit: Firm) -> None:
    now = datetime.fromisoformat("2025-06-10T12:00:00Z")
    stale = WorkOrder.objects.idle_since(now - timedelta(days=90)).order_by("number")
    assert [(one.firm, one.number, (now - one.last_activity_at).days) for one in stale] == [
        (fixit, "JOB-000100", 95), (fixit, "JOB-000101", 120), (fixit, "JOB-000102", 100)
    ]  # fmt: skip
    assert not stale.filter(estimates__isnull=False).exists()
    assert not stale.filter(invoice__isnull=False).exists()
    warned = WorkOrder.objects.idle_since(now - timedelta(days=83))
    assert set(warned) == set(stale)


def test_had_a_day_to_report_yesterday(fixit: Firm) -> None:
    orders = WorkOrder.objects.for_firm(fixit)
    assert numbers(yesterday(orders, "created_at")) == ["123", "124", "128", "129", "130"]
    done = yesterday(WorkOrderEvent.objects.filter(firm=fixit, kind="completed"), "occurred_at")
    assert done.values("work_order").distinct().count() == 3
    estimates = Estimate.objects.filter(firm=fixit)
    assert yesterday(estimates, "submitted_at").count() == 4
    payouts = yesterday(Payout.objects.filter(firm=fixit), "paid_at")
    assert (payouts.count(), payouts.aggregate(s=Sum("amount_minor"))["s"]) == (2, 500_000)
    paid = yesterday(Payment.objects.filter(firm=fixit), "settled_at")
    assert paid.aggregate(s=Sum("amount_minor"))["s"] == 1_250_000
    assert {one.invoice.kind for row in paid for one in row.allocations.all()} == {"work"}
    assert SummaryMark.objects.get(firm=fixit).reported_through == date(2025, 6, 8)


def test_stands_as_the_summary_says(fixit: Firm) -> None:
    orders = WorkOrder.objects.for_firm(fixit)
    assert orders.exclude(status="CANCELLED").count() == 30
    found = states(orders)
    assert found["PENDING"] == 5
    assert found["ASSIGNED"] + found["IN_PROGRESS"] == 8
    assert found["COMPLETED"] == 5
    assert (found["VERIFIED"], found["CANCELLED"]) == (12, 2)
    assert states(Estimate.objects.filter(firm=fixit)) == {"SUBMITTED": 8}


def test_has_pay_to_decide_about_and_pay_to_ask_for(fixit: Firm) -> None:
    requests = PayoutRequest.objects.for_firm(fixit)
    pending = requests.pending().order_by("requested_at", "pk")
    assert [(one.number, one.amount_minor) for one in pending] == [
        ("PAY-REQ-001", 250_000), ("PAY-REQ-002", 320_000), ("PAY-REQ-003", 90_000),
        ("PAY-REQ-004", 115_000), ("PAY-REQ-005", 64_000),
    ]  # fmt: skip
    old = pending.filter(requested_at__lt=datetime.fromisoformat("2025-06-03T12:00:00Z"))
    assert old.values("contractor").distinct().count() == 2
    assert states(requests) == {"PENDING": 5, "PAID": 2}
    ready = WorkOrder.objects.ready_for_payout()
    assert {order.firm for order in ready} == {fixit}
    assert ready.count() == 8
    paid = WorkOrder.objects.for_firm(fixit).filter(payout_lines__request__status="PAID")
    assert numbers(paid) == ["103", "104", "105", "106"]


def test_goes_on_counting_where_the_source_stopped(fixit: Firm) -> None:
    sequences = NumberSequence.objects.filter(firm=fixit, year=0)
    assert dict(sequences.values_list("series", "next_number")) == {"JOB": 131, "PAY-REQ": 8}


# ---- evergreen-pm ---------------------------------------------------------------------------


def test_evergreen_has_twelve_orders_that_no_field_job_but_one_speaks_of() -> None:
    orders = WorkOrder.objects.filter(firm__slug="evergreen-pm")
    assert states(orders) == {
        "PENDING": 3, "ASSIGNED": 2, "IN_PROGRESS": 2, "ON_HOLD": 1, "COMPLETED": 2,
        "VERIFIED": 1, "CANCELLED": 1,
    }  # fmt: skip
    assert not orders.filter(unit=None).exists()
    assert not orders.overdue(on=TODAY).exists()
    assert not orders.approaching(on=TODAY, days=7).exists()
    assert Payout.objects.filter(firm__slug="evergreen-pm").count() == 1
    papers = ComplianceDocument.objects.filter(firm__slug="evergreen-pm")
    assert papers.values("contractor").distinct().count() == 2
    assert not papers.exclude(expires_on=None).exists()


# ---- everywhere -----------------------------------------------------------------------------


def test_no_other_firm_does_field_work() -> None:
    slugs = WorkOrder.objects.values_list("firm__slug", flat=True).distinct()
    assert sorted(slugs) == ["evergreen-pm", "fixit-services"]


def test_jobs_invoices_are_paid_so_that_nobody_is_reminded() -> None:
    invoices = Invoice.objects.filter(kind="work")
    assert states(invoices) == {"paid": 6}


def test_every_row_stays_within_its_firm() -> None:
    checked = 0
    for model in apps.get_app_config("fieldwork").get_models():
        links = [
            field.name
            for field in model._meta.fields
            if isinstance(field, ForeignKey) and _has_firm(field.related_model)
        ]
        for row in model._default_manager.select_related(*links):
            for name in links:
                other = getattr(row, name)
                assert other is None or other.firm_id == row.firm_id  # type: ignore[attr-defined]
                checked += other is not None
    assert checked > 300


def _has_firm(model: Any) -> bool:
    assert issubclass(model, Model)
    return any(field.attname == "firm_id" for field in model._meta.concrete_fields)
