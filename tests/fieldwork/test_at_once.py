"""Two people at the same moment: one of them does it, the other is told."""

from functools import partial

import pytest

from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import (
    ComplianceDocument,
    Payout,
    PayoutRequest,
    PayoutRequestLine,
    WorkOrder,
    WorkOrderEvent,
)
from apps.fieldwork.services import Paper, Wanted
from apps.notifications.models import Notification
from tests.billing.at_once import at_once
from tests.factories import (
    ContactFactory,
    FirmFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.working import NOW, TODAY, contractor_of, do

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_an_order_is_given_to_one_of_two_contractors() -> None:
    order = WorkOrderFactory()
    ada, bob = (contractor_of(order.firm, name) for name in ("Ada Plumbing", "Bob Roofing"))
    [refused] = at_once(
        lambda: do("assigned", order, contractor=ada),
        lambda: do("assigned", order, contractor=bob),
    )
    assert isinstance(refused, Problem)
    order.refresh_from_db()
    assert order.contractor in {ada, bob}
    assert WorkOrderEvent.objects.count() == Notification.objects.count() == 1


def test_work_that_is_completed_and_cancelled_becomes_one_of_them() -> None:
    order = WorkOrderFactory(status="IN_PROGRESS")
    errors = at_once(lambda: do("completed", order), lambda: do("cancelled", order))
    assert [type(error) for error in errors] == [Problem]
    order.refresh_from_db()
    assert [event.to_status for event in order.events.all()] == [order.status]


def test_ten_new_orders_get_ten_numbers_without_a_gap() -> None:
    firm = FirmFactory()
    wanted = Wanted("Painting")
    create = partial(services.create_work_order, firm=firm, wanted=wanted, by=None, now=NOW)
    assert at_once(*[create] * 10) == []
    numbers = WorkOrder.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [f"JOB-{n:06d}" for n in range(1, 11)]


def test_an_order_is_invoiced_once() -> None:
    firm = FirmFactory()
    order = WorkOrderFactory(firm=firm, customer=ContactFactory(firm=firm))
    invoice = partial(services.invoice_work_order, order=order, by=None, today=TODAY, now=NOW)
    assert [type(error) for error in at_once(invoice, invoice)] == [Problem]
    order.refresh_from_db()
    assert order.invoice is not None
    assert order.invoice.number == "INV-2025-001"


def test_an_order_is_on_one_of_two_payout_requests() -> None:
    order = WorkOrderFactory(status="VERIFIED")
    ask = partial(
        services.request_payout,
        contractor=order.contractor,
        orders=[order],
        extras=[],
        by=None,
        now=NOW,
    )
    assert [type(error) for error in at_once(ask, ask)] == [Problem]
    assert PayoutRequest.objects.count() == PayoutRequestLine.objects.count() == 1


def test_a_request_is_asked_for_or_the_work_reopened() -> None:
    order = WorkOrderFactory(status="VERIFIED")
    errors = at_once(
        partial(
            services.request_payout,
            contractor=order.contractor,
            orders=[order],
            extras=[],
            by=None,
            now=NOW,
        ),
        lambda: do("reopened", order),
    )
    assert [type(error) for error in errors] == [Problem]
    order.refresh_from_db()
    assert (order.status == "VERIFIED") == PayoutRequestLine.objects.exists()


def test_a_request_is_paid_once() -> None:
    request = PayoutRequestFactory(status="APPROVED")
    pay = partial(
        services.record_payout, request=request, reference="", by=None, today=TODAY, now=NOW
    )
    assert [type(error) for error in at_once(pay, pay)] == [Problem]
    assert Payout.objects.count() == 1


def test_of_two_papers_approved_one_replaces_the_other() -> None:
    ada = contractor_of(FirmFactory())
    papers = [
        services.file_document(contractor=ada, paper=Paper("Licence"), by=None, now=NOW)
        for _ in range(2)
    ]
    approve = [
        partial(
            services.approve_document, document=paper, by=None, note="", today=TODAY, now=NOW
        )
        for paper in papers
    ]
    assert at_once(*approve) == []
    assert sorted(ComplianceDocument.objects.values_list("status", flat=True)) == [
        "SUPERSEDED", "VALID"
    ]  # fmt: skip
