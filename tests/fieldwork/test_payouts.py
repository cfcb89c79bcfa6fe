"""A payout … is asked for once for each work order, approved, and paid once."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import (
    ComplianceDocument,
    ContractorProfile,
    Payout,
    PayoutRequest,
    PayoutRequestLine,
    WorkOrder,
)
from apps.fieldwork.services import Extra
from apps.firms.models import Firm, User
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    FirmFactory,
    MembershipFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.working import NOW, TODAY, audited, contractor_of, told

pytestmark = pytest.mark.django_db

STATES = list(PayoutRequest.Status)


@pytest.fixture
def alma(firm: Firm) -> User:
    user: User = MembershipFactory(firm=firm, user__username="alma").user
    return user


def verified(ada: ContractorProfile, **more: Any) -> WorkOrder:
    order: WorkOrder = WorkOrderFactory(
        firm=ada.firm, contractor=ada, **{"status": "VERIFIED", "number": "JOB-000123"} | more
    )
    return order


def ask(
    ada: ContractorProfile, *orders: WorkOrder, extras: Any = (), by: User | None = None
) -> PayoutRequest:
    return services.request_payout(contractor=ada, orders=orders, extras=extras, by=by, now=NOW)


def approve(request: PayoutRequest, by: User | None = None) -> PayoutRequest:
    return services.approve_payout(request=request, by=by, today=TODAY, now=NOW)


def reject(request: PayoutRequest) -> PayoutRequest:
    return services.reject_payout(request=request, by=None, reason="Too early", now=NOW)


def cancel(request: PayoutRequest) -> PayoutRequest:
    return services.cancel_payout(request=request, by=None, reason="A mistake", now=NOW)


def pay(request: PayoutRequest, by: User | None = None) -> Payout:
    return services.record_payout(
        request=request, reference="TRF-9", by=by, today=TODAY, now=NOW
    )


def ready() -> set[str]:
    return set(WorkOrder.objects.ready_for_payout().values_list("number", flat=True))


# ---- asking ---------------------------------------------------------------------------------


def test_is_over_what_its_work_orders_are_worth(
    firm: Firm, ada: ContractorProfile, alma: User
) -> None:
    MembershipFactory(firm=firm, user__username="fm", roles=["facility_manager"])
    bath = verified(ada)
    roof = verified(ada, number="JOB-000124", contractor_price_minor=12_500)
    request = ask(ada, bath, roof, extras=[Extra("Stand-by in May", 10_000)])
    request.refresh_from_db()
    assert (request.number, request.status, request.currency) == (
        "PAY-REQ-001", "PENDING", "USD"
    )  # fmt: skip
    assert (request.amount_minor, request.requested_at) == (52_500, NOW)
    assert [
        (str(one), one.amount_minor, one.is_live) for one in request.lines.order_by("pk")
    ] == [
        ("JOB-000123: Plumbing repair", 30_000, True),
        ("JOB-000124: Plumbing repair", 12_500, True),
        ("Stand-by in May", 10_000, True),
    ]
    assert told() == [("alma", "payout_requested")]  # not those who manage work only
    assert AuditEvent.objects.get().changes == {"amount_minor": 52_500, "currency": "USD"}


def test_whoever_asks_is_on_record_and_not_told(ada: ContractorProfile, alma: User) -> None:
    assert ask(ada, verified(ada), by=alma).requested_by == alma
    assert told() == []


def test_each_firm_counts_for_itself(ada: ContractorProfile) -> None:
    bob = contractor_of(FirmFactory(), "Bob Roofing")
    numbers = [ask(one, verified(one)).number for one in (ada, bob)]
    numbers.append(ask(ada, extras=[Extra("Call-out", 100)]).number)
    assert numbers == ["PAY-REQ-001", "PAY-REQ-001", "PAY-REQ-002"]


def test_without_work_orders_it_is_in_the_firms_currency(ada: ContractorProfile) -> None:
    assert ask(ada, extras=[Extra("Materials", 4_000)]).currency == "USD"


@pytest.mark.parametrize(
    ("how", "refusal"),
    [
        ({"status": "COMPLETED"}, "JOB-000123 cannot be paid for: it is completed."),
        ({"status": "IN_PROGRESS"}, "JOB-000123 cannot be paid for: it is in progress."),
        (
            {"contractor_price_minor": 0},
            "JOB-000123 cannot be paid for: the contractor's price is zero.",
        ),
    ],
)
def test_is_refused_for_what_nothing_is_owed_for(
    ada: ContractorProfile, how: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(Problem) as refused:
        ask(ada, verified(ada, **how))
    assert str(refused.value) == refusal
    assert (PayoutRequest.objects.count(), audited(), told()) == (0, [], [])


def test_is_for_ones_own_work(firm: Firm, ada: ContractorProfile) -> None:
    bob = contractor_of(firm, "Bob Roofing")
    with pytest.raises(Problem, match=r"^JOB-000123 is not the work of Bob Roofing\.$"):
        ask(bob, verified(ada))
    stranger = contractor_of(FirmFactory(), "Cyd")
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        ask(stranger, verified(ada, number="JOB-000124"))


def test_is_in_one_currency(ada: ContractorProfile) -> None:
    euros = verified(ada, number="JOB-000124", currency="EUR")
    with pytest.raises(
        Problem, match=r"^One request is in one currency, not in EUR and USD\.$"
    ):
        ask(ada, verified(ada), euros)
    assert ask(ada, euros).currency == "EUR"


def test_is_for_something(ada: ContractorProfile) -> None:
    with pytest.raises(Problem, match=r"^A payout request needs something to be paid for\.$"):
        ask(ada)
    with pytest.raises(Problem, match=r"^A payout must be more than zero\.$"):
        ask(ada, extras=[Extra("Nothing", 0)])


def test_a_number_that_was_refused_is_used_again(ada: ContractorProfile) -> None:
    with pytest.raises(Problem):
        ask(ada)
    assert ask(ada, verified(ada)).number == "PAY-REQ-001"


# ---- one live request for a work order ------------------------------------------------------


def test_a_work_order_is_on_one_live_request(ada: ContractorProfile) -> None:
    order = verified(ada)
    ask(ada, order)
    with pytest.raises(Problem, match=r"^JOB-000123 is on PAY-REQ-001 already\.$"):
        ask(ada, order)


def test_the_same_order_named_twice_is_paid_once(ada: ContractorProfile) -> None:
    order = verified(ada)
    assert ask(ada, order, order).amount_minor == 30_000


@pytest.mark.parametrize(
    ("acts", "is_ready"),
    [((), False), ((approve,), False), ((approve, pay), False), ((reject,), True),
     ((cancel,), True), ((approve, cancel), True)],
)  # fmt: skip
def test_what_was_let_go_can_be_asked_for_again(
    ada: ContractorProfile, acts: Any, is_ready: bool
) -> None:
    order = verified(ada)
    request = ask(ada, order)
    for act in acts:
        act(request)
    assert ready() == ({"JOB-000123"} if is_ready else set())
    assert PayoutRequestLine.objects.get().is_live == (not is_ready)
    if is_ready:
        assert ask(ada, order).number == "PAY-REQ-002"


def test_the_database_allows_one_live_line(ada: ContractorProfile) -> None:
    order = verified(ada)
    request = ask(ada, order)
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutRequestLine.objects.create(
            firm=ada.firm, request=request, work_order=order, amount_minor=1
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutRequestLine.objects.create(firm=ada.firm, request=request, amount_minor=1)


# ---- deciding -------------------------------------------------------------------------------


def test_approved_by_whom_is_on_record(ada: ContractorProfile, alma: User) -> None:
    request = approve(ask(ada, verified(ada)), by=alma)
    request.refresh_from_db()
    assert (request.status, request.decided_by, request.decided_at) == ("APPROVED", alma, NOW)
    assert told()[-1] == ("Ada Plumbing", "payout_decided")
    assert audited() == ["payout_requested", "payout_approved"]


def test_rejected_and_cancelled_say_why(ada: ContractorProfile) -> None:
    for act, reason in ((reject, "Too early"), (cancel, "A mistake")):
        request = act(ask(ada, extras=[Extra("Call-out", 100)]))
        assert request.reason == AuditEvent.objects.order_by("-pk")[0].reason == reason
        assert told()[-1] == ("Ada Plumbing", "payout_decided")


def test_paid_it_leaves_a_payout(ada: ContractorProfile, alma: User) -> None:
    request = approve(ask(ada, verified(ada)))
    payout = pay(request, by=alma)
    request.refresh_from_db()
    assert (request.status, request.payout) == ("PAID", payout)
    assert (payout.amount_minor, payout.currency, payout.paid_at) == (30_000, "USD", NOW)
    assert (payout.reference, payout.recorded_by) == ("TRF-9", alma)
    assert told()[-1] == ("Ada Plumbing", "payout_paid")
    assert audited()[-1] == "payout_paid"


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize(
    ("act", "sources", "refusal"),
    [
        (approve, {"PENDING"}, "cannot be approved"),
        (reject, {"PENDING"}, "cannot be rejected"),
        (cancel, {"PENDING", "APPROVED"}, "cannot be cancelled"),
        (pay, {"APPROVED"}, "cannot be paid"),
    ],
)
def test_every_verb_in_every_state(
    ada: ContractorProfile, act: Any, sources: set[str], refusal: str, status: str
) -> None:
    request = PayoutRequestFactory(contractor=ada, status=status, number="PAY-REQ-001")
    if status in sources:
        act(request)
        return
    with pytest.raises(Problem) as refused:
        act(request)
    assert str(refused.value) == f"PAY-REQ-001 {refusal}: it is {status.lower()}."
    request.refresh_from_db()
    assert (request.status, Payout.objects.count(), told()) == (status, 0, [])


# ---- papers hold pay (spec D26) -------------------------------------------------------------


def test_without_papers_one_may_ask_but_is_not_paid(ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=ada.firm)
    request = ask(ada, verified(ada))
    refusal = r"^Ada Plumbing cannot be paid: no Liability insurance on file\.$"
    with pytest.raises(Problem, match=refusal):
        approve(request)
    paper = ComplianceDocumentFactory(contractor=ada)
    approve(request)
    ComplianceDocument.objects.filter(pk=paper.pk).update(expires_on="2025-06-09")
    refusal = r"^Ada Plumbing cannot be paid: Liability insurance expired on 9 June 2025\.$"
    with pytest.raises(Problem, match=refusal):
        pay(request)
    request.refresh_from_db()
    assert (request.status, Payout.objects.count()) == ("APPROVED", 0)
