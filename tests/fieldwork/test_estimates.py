"""An estimate … is handed in once and answered once; what is agreed is the price."""

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import ContractorProfile, Estimate, WorkOrder
from apps.firms.models import Firm
from tests.factories import (
    EstimateFactory,
    FirmFactory,
    MembershipFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.working import NOW, audited, contractor_of, history, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(firm: Firm) -> WorkOrder:
    anna = MembershipFactory(firm=firm, user__username="anna").user
    made: WorkOrder = WorkOrderFactory(firm=firm, number="JOB-000123", created_by=anna)
    return made


@pytest.fixture
def draft(order: WorkOrder, ada: ContractorProfile) -> Estimate:
    return services.draft_estimate(
        order=order, contractor=ada, amount_minor=45_000, text="New tiles"
    )


@pytest.fixture
def submitted(draft: Estimate) -> Estimate:
    return services.submit_estimate(estimate=draft, by=None, now=NOW)


def test_begins_as_a_draft_in_the_currency_of_the_work(draft: Estimate) -> None:
    draft.refresh_from_db()
    assert (draft.status, draft.currency, draft.submitted_at) == ("DRAFT", "USD", None)
    assert (str(draft), told(), audited()) == ("$450.00 by Ada Plumbing", [], [])


def test_is_by_a_contractor_of_the_same_firm_and_over_something(
    order: WorkOrder, ada: ContractorProfile
) -> None:
    stranger = contractor_of(FirmFactory())
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        services.draft_estimate(order=order, contractor=stranger, amount_minor=1, text="")
    with pytest.raises(Problem, match=r"^An estimate must be more than zero\.$"):
        services.draft_estimate(order=order, contractor=ada, amount_minor=0, text="")


def test_handed_in_it_waits_for_whoever_ordered_the_work(
    order: WorkOrder, submitted: Estimate
) -> None:
    submitted.refresh_from_db()
    assert (submitted.status, submitted.submitted_at) == ("SUBMITTED", NOW)
    assert told() == [("anna", "estimate_submitted")]
    assert history(order) == [("estimated", "PENDING", "PENDING")]
    assert AuditEvent.objects.get().changes == {"amount_minor": 45_000, "currency": "USD"}


def test_is_handed_in_once(submitted: Estimate) -> None:
    with pytest.raises(Problem, match=r"^This estimate is submitted\.$"):
        services.submit_estimate(estimate=submitted, by=None, now=NOW)


@pytest.mark.parametrize("status", ["COMPLETED", "VERIFIED", "CANCELLED"])
def test_nobody_estimates_what_is_done_or_given_up(draft: Estimate, status: str) -> None:
    WorkOrder.objects.update(status=status, contractor=draft.contractor)
    refusal = rf"^JOB-000123 takes no estimate: it is {status.lower()}\.$"
    with pytest.raises(Problem, match=refusal):
        services.submit_estimate(estimate=draft, by=None, now=NOW)


def test_approved_it_is_what_the_contractor_gets(order: WorkOrder, submitted: Estimate) -> None:
    estimate = services.approve_estimate(estimate=submitted, by=order.created_by, now=NOW)
    order.refresh_from_db()
    estimate.refresh_from_db()
    assert (estimate.status, estimate.decided_at, estimate.decided_by) == (
        "APPROVED", NOW, order.created_by
    )  # fmt: skip
    assert order.contractor_price_minor == 45_000
    assert told()[-1] == ("Ada Plumbing", "estimate_decided")
    assert audited() == ["estimate_submitted", "estimate_approved", "work_order_changed"]
    last = order.events.order_by("-pk")[0]
    assert (last.kind, last.detail) == ("estimate_decided", "Approved: $450.00 by Ada Plumbing")


def test_rejected_it_changes_no_price(order: WorkOrder, submitted: Estimate) -> None:
    services.reject_estimate(estimate=submitted, by=None, reason="Too much", now=NOW)
    order.refresh_from_db()
    submitted.refresh_from_db()
    assert (submitted.status, submitted.reason) == ("REJECTED", "Too much")
    assert order.contractor_price_minor == 30_000
    assert told()[-1] == ("Ada Plumbing", "estimate_decided")


@pytest.mark.parametrize("status", ["DRAFT", "APPROVED", "REJECTED"])
def test_is_answered_only_while_it_waits(order: WorkOrder, status: str) -> None:
    estimate = EstimateFactory(work_order=order, status=status)
    refusal = rf"^This estimate is {status.lower()}\.$"
    with pytest.raises(Problem, match=refusal):
        services.approve_estimate(estimate=estimate, by=None, now=NOW)
    with pytest.raises(Problem, match=refusal):
        services.reject_estimate(estimate=estimate, by=None, reason="No", now=NOW)
    assert (told(), audited()) == ([], [])


@pytest.mark.parametrize("status", ["VERIFIED", "CANCELLED"])
def test_the_price_of_what_is_verified_or_given_up_stays(
    submitted: Estimate, status: str
) -> None:
    WorkOrder.objects.update(status=status, contractor=submitted.contractor)
    with pytest.raises(Problem, match=r"^The price of JOB-000123 is fixed\.$"):
        services.approve_estimate(estimate=submitted, by=None, now=NOW)


def test_the_price_on_a_payout_request_stays(order: WorkOrder, submitted: Estimate) -> None:
    PayoutRequestFactory(contractor=submitted.contractor, orders=[order])
    with pytest.raises(Problem, match=r"^The price of JOB-000123 is fixed\.$"):
        services.approve_estimate(estimate=submitted, by=None, now=NOW)
