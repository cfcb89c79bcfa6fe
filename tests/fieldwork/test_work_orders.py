"""A work order … is made, given to somebody, changed and written about."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import ContractorProfile, WorkOrder
from apps.fieldwork.services import Wanted
from apps.firms.models import Firm, Membership, User
from apps.notifications.models import Notification
from tests.factories import (
    ComplianceRequirementFactory,
    ContactFactory,
    DocumentFactory,
    EstimateFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipFactory,
    PayoutRequestFactory,
    UnitFactory,
    WorkOrderFactory,
)
from tests.fieldwork.working import NOW, TODAY, audited, contractor_of, do, history, told

pytestmark = pytest.mark.django_db

LAST_WEEK = NOW - timedelta(days=7)


@pytest.fixture
def anna(firm: Firm) -> User:
    user: User = MembershipFactory(firm=firm, user__username="anna").user
    return user


def create(firm: Firm, by: User | None = None, **what: Any) -> WorkOrder:
    wanted = Wanted(**{"title": "Bathroom renovation"} | what)
    return services.create_work_order(firm=firm, wanted=wanted, by=by, now=NOW)


def work_order(firm: Firm, **what: Any) -> WorkOrder:
    order: WorkOrder = WorkOrderFactory(
        firm=firm, **{"number": "JOB-000123", "title": "Bathroom renovation"} | what
    )
    return order


# ---- making one -----------------------------------------------------------------------------


def test_begins_pending_with_the_firms_next_number(firm: Firm, anna: User) -> None:
    order = create(firm, anna, customer_price_minor=125_000, due_date=date(2025, 7, 1))
    order.refresh_from_db()
    assert (order.number, order.status, order.currency) == ("JOB-000001", "PENDING", "USD")
    assert (order.created_by, order.created_at, order.last_activity_at) == (anna, NOW, NOW)
    assert (order.customer_price_minor, order.due_date) == (125_000, date(2025, 7, 1))
    assert history(order) == [("created", "", "PENDING")]
    assert audited() == ["work_order_created"]
    assert told() == []


def test_each_firm_counts_for_itself(firm: Firm) -> None:
    neighbour = FirmFactory()
    numbers = [create(one).number for one in (firm, neighbour, firm)]
    assert numbers == ["JOB-000001", "JOB-000001", "JOB-000002"]


def test_a_number_that_was_rolled_back_is_used_again(firm: Firm) -> None:
    create(firm)
    with pytest.raises(Problem):
        create(firm, customer=ContactFactory())
    assert create(firm).number == "JOB-000002"


def test_a_prefix_of_invoices_that_reads_the_same_is_another_series(firm: Firm) -> None:
    firm.settings.invoice_prefix = "JOB"
    firm.settings.save()
    order = create(firm, customer=ContactFactory(firm=firm), customer_price_minor=100)
    invoice = services.invoice_work_order(order=order, by=None, today=TODAY, now=NOW)
    assert (order.number, invoice.number) == ("JOB-000001", "JOB-2025-001")
    assert create(firm).number == "JOB-000002"


@pytest.mark.parametrize("what", ["unit", "customer"])
def test_is_never_about_what_belongs_to_another_firm(firm: Firm, what: str) -> None:
    theirs = {"unit": UnitFactory, "customer": ContactFactory}[what]()
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        create(firm, **{what: theirs})
    assert not WorkOrder.objects.exists()


# ---- giving it to somebody ------------------------------------------------------------------


def test_the_contractor_is_told_of_a_new_job(firm: Firm, ada: ContractorProfile) -> None:
    order = do("assigned", work_order(firm), contractor=ada)
    order.refresh_from_db()
    assert (order.status, order.contractor) == ("ASSIGNED", ada)
    assert told() == [("Ada Plumbing", "job_assigned")]
    assert order.events.get().detail == "To Ada Plumbing"
    assert AuditEvent.objects.get().changes == {
        "status": ["PENDING", "ASSIGNED"], "contractor": ["", "Ada Plumbing"]
    }  # fmt: skip


def test_both_contractors_are_told_when_it_goes_to_another(
    firm: Firm, ada: ContractorProfile
) -> None:
    order = work_order(firm, status="IN_PROGRESS", contractor=ada)
    after = do("reassigned", order, contractor=contractor_of(firm, "Bob Roofing"))
    assert (after.status, str(after.contractor)) == ("ASSIGNED", "Bob Roofing")
    assert told() == [("Bob Roofing", "job_assigned"), ("Ada Plumbing", "job_taken_back")]


def test_taken_back_it_has_nobody(firm: Firm, ada: ContractorProfile) -> None:
    order = work_order(firm, status="ASSIGNED", contractor=ada)
    after = do("unassigned", order, reason="Double booked")
    assert (after.status, after.contractor) == ("PENDING", None)
    assert told() == [("Ada Plumbing", "job_taken_back")]
    assert Notification.objects.get().context["reason"] == "Double booked"


def test_nobody_gets_what_they_have(firm: Firm, ada: ContractorProfile) -> None:
    order = work_order(firm, status="ASSIGNED", contractor=ada)
    with pytest.raises(Problem, match=r"^Ada Plumbing has JOB-000123 already\.$"):
        do("reassigned", order, contractor=ada)


def test_nobody_gets_work_of_another_firm(firm: Firm) -> None:
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        do("assigned", work_order(firm), contractor=contractor_of(FirmFactory()))


def test_whoever_is_not_active_gets_no_work(firm: Firm) -> None:
    gone = contractor_of(firm, is_active=False)
    with pytest.raises(Problem, match=r"^Ada Plumbing is not active any more\.$"):
        do("assigned", work_order(firm), contractor=gone)


def test_whoever_lacks_a_paper_gets_no_work(firm: Firm, ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=firm)
    order = work_order(firm)
    refusal = r"^Ada Plumbing cannot be given work: no Liability insurance on file\.$"
    with pytest.raises(Problem, match=refusal):
        do("assigned", order, contractor=ada)
    order.refresh_from_db()
    assert (order.status, told(), order.events.count()) == ("PENDING", [], 0)


def test_whoever_was_erased_is_told_nothing(firm: Firm, ada: ContractorProfile) -> None:
    Contact.objects.filter(pk=ada.contact_id).update(erased_at=NOW)
    do("cancelled", work_order(firm, status="ASSIGNED", contractor=ada))
    assert told() == []


# ---- doing it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "verb", "letter"),
    [
        ("ASSIGNED", "started", None),
        ("IN_PROGRESS", "held", "job_changed"),
        ("ON_HOLD", "resumed", "job_changed"),
        ("COMPLETED", "reopened", "job_changed"),
        ("COMPLETED", "verified", "job_accepted"),
        ("ASSIGNED", "cancelled", "job_taken_back"),
    ],
)
def test_the_contractor_is_told_what_concerns_him(
    firm: Firm, ada: ContractorProfile, status: str, verb: str, letter: str | None
) -> None:
    do(verb, work_order(firm, status=status, contractor=ada))
    assert told() == ([("Ada Plumbing", letter)] if letter else [])


def test_whoever_ordered_it_is_asked_to_look_at_it(firm: Firm, anna: User) -> None:
    bela = MembershipFactory(firm=firm).user
    order = work_order(firm, status="IN_PROGRESS", created_by=anna)
    after = do("completed", order, by=bela)
    assert (after.completed_at, told()) == (NOW, [("anna", "job_completed")])


def test_nobody_is_told_of_what_they_did_themselves(firm: Firm, anna: User) -> None:
    do("completed", work_order(firm, status="IN_PROGRESS", created_by=anna), by=anna)
    assert told() == []


def test_the_office_looks_at_the_work_of_whoever_left(firm: Firm, anna: User) -> None:
    Membership.objects.filter(user=anna).update(is_active=False)
    MembershipFactory(firm=firm, user__username="bela", roles=["facility_manager"])
    MembershipFactory(firm=firm, user__username="carl", roles=["contractor"])
    MembershipFactory(user__username="stranger")
    do("completed", work_order(firm, status="IN_PROGRESS", created_by=anna))
    assert told() == [("bela", "job_completed")]


def test_reopened_it_is_neither_completed_nor_verified(firm: Firm) -> None:
    order = do("verified", work_order(firm, status="COMPLETED"))
    assert order.verified_at == NOW
    order = do("reopened", order)
    order.refresh_from_db()
    assert (order.completed_at, order.verified_at) == (None, None)


def test_what_is_being_paid_out_is_not_reopened(firm: Firm) -> None:
    order = work_order(firm, status="VERIFIED")
    request = PayoutRequestFactory(
        contractor=order.contractor, number="PAY-REQ-001", orders=[order]
    )
    refusal = r"^JOB-000123 cannot be reopened: it is on PAY-REQ-001\.$"
    with pytest.raises(Problem, match=refusal):
        do("reopened", order)
    services.reject_payout(request=request, by=None, reason="No", now=NOW)
    assert do("reopened", order).status == "IN_PROGRESS"


# ---- giving it up ---------------------------------------------------------------------------


def test_cancelled_it_keeps_the_reason_and_answers_its_estimates(firm: Firm) -> None:
    order = work_order(firm)
    waiting, answered = (
        EstimateFactory(work_order=order, status=status) for status in ("SUBMITTED", "APPROVED")
    )
    after = do("cancelled", order, reason="Sold the house")
    assert (after.cancelled_at, after.cancel_reason) == (NOW, "Sold the house")
    waiting.refresh_from_db()
    answered.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("REJECTED", "The job was cancelled.")
    assert answered.status == "APPROVED"
    assert audited() == ["work_order_cancelled", "estimate_rejected"]


@pytest.mark.parametrize(
    ("status", "goes"),
    [("sent", False), ("overdue", False), ("paid", False), ("void", True),
     ("written_off", True)],
)  # fmt: skip
def test_what_the_customer_has_an_invoice_for_is_not_cancelled(
    firm: Firm, status: str, goes: bool
) -> None:
    invoice = InvoiceFactory(
        account__contact__firm=firm, number="INV-2025-001", kind="work", status=status
    )
    order = work_order(firm, status="ASSIGNED", invoice=invoice)
    if goes:
        assert do("cancelled", order).status == "CANCELLED"
        return
    refusal = r"^JOB-000123 cannot be cancelled: void invoice INV-2025-001 first\.$"
    with pytest.raises(Problem, match=refusal):
        do("cancelled", order)


# ---- the due date ---------------------------------------------------------------------------


def test_the_contractor_is_told_of_another_due_date(firm: Firm, ada: ContractorProfile) -> None:
    order = work_order(firm, status="ASSIGNED", contractor=ada, due_date=date(2025, 6, 12))
    for _ in range(2):
        order = services.change_due_date(
            order=order, due_date=date(2025, 6, 20), by=None, now=NOW
        )
    order.refresh_from_db()
    assert (order.due_date, order.last_activity_at) == (date(2025, 6, 20), NOW)
    assert order.events.get().detail == "From 12 June 2025 to 20 June 2025"
    assert told() == [("Ada Plumbing", "job_changed")]
    assert AuditEvent.objects.get().changes == {"due_date": ["2025-06-12", "2025-06-20"]}


def test_finished_work_gets_no_other_due_date(firm: Firm) -> None:
    order = work_order(firm, status="COMPLETED")
    refusal = r"^JOB-000123 gets no other due date: it is completed\.$"
    with pytest.raises(Problem, match=refusal):
        services.change_due_date(order=order, due_date=TODAY, by=None, now=NOW)


# ---- what it says ---------------------------------------------------------------------------


def change(order: WorkOrder, **changes: Any) -> WorkOrder:
    return services.change_details(order=order, changes=changes, by=None, now=NOW)


def test_what_changed_is_written_down(firm: Firm) -> None:
    order = work_order(firm)
    change(order, title="Bath", customer_price_minor=60_000, contractor_price_minor=30_000)
    order.refresh_from_db()
    assert (order.title, order.customer_price_minor) == ("Bath", 60_000)
    assert AuditEvent.objects.get().changes == {
        "title": ["Bathroom renovation", "Bath"], "customer_price_minor": ["50000", "60000"]
    }  # fmt: skip


def test_the_same_again_is_no_change(firm: Firm) -> None:
    change(work_order(firm, due_date=TODAY), title="Bathroom renovation", due_date=TODAY)
    assert audited() == []


def test_another_due_date_among_the_changes_is_one_for_the_history(firm: Firm) -> None:
    order = change(work_order(firm), title="Bath", due_date=date(2025, 7, 1))
    assert history(order) == [("due_date", "PENDING", "PENDING")]
    assert audited() == ["work_order_due_date", "work_order_changed"]


def test_a_price_that_was_invoiced_stays_until_the_invoice_is_void(firm: Firm) -> None:
    invoice = InvoiceFactory(account__contact__firm=firm, kind="work")
    order = work_order(firm, invoice=invoice)
    refusal = r"^The customer's price of JOB-000123 is fixed: money was asked for it\.$"
    with pytest.raises(Problem, match=refusal):
        change(order, customer_price_minor=1)
    invoice.status = "void"
    invoice.save()
    assert change(order, customer_price_minor=1).customer_price_minor == 1


def test_a_price_on_a_payout_request_stays(firm: Firm) -> None:
    order = work_order(firm, status="VERIFIED")
    PayoutRequestFactory(contractor=order.contractor, orders=[order])
    refusal = r"^The contractor's price of JOB-000123 is fixed: money was asked for it\.$"
    with pytest.raises(Problem, match=refusal):
        change(order, contractor_price_minor=1)


@pytest.mark.parametrize("name", ["status", "contractor", "number", "invoice", "currency"])
def test_what_has_a_way_of_its_own_is_not_changed_like_this(firm: Firm, name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Not to be changed here: {name}\.$"):
        change(work_order(firm), **{name: None})


def test_it_is_never_made_to_point_to_another_firm(firm: Firm) -> None:
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        change(work_order(firm), customer=ContactFactory())


# ---- notes ----------------------------------------------------------------------------------


def test_a_note_may_bring_a_file_and_is_written_in_any_state(firm: Firm, anna: User) -> None:
    order, photo = work_order(firm, status="CANCELLED"), DocumentFactory(firm=firm)
    note = services.add_note(order=order, text="See photo", file=photo, by=anna, now=NOW)
    assert (note.author, note.file, note.written_at) == (anna, photo, NOW)
    assert not note.is_automatic
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        services.add_note(order=order, text="No", file=DocumentFactory(), by=anna, now=NOW)


# ---- what counts as activity (spec D30) -----------------------------------------------------


def note(order: WorkOrder, now: datetime) -> object:
    return services.add_note(order=order, text="Hm", file=None, by=None, now=now)


def move_due_date(order: WorkOrder, now: datetime) -> object:
    return services.change_due_date(order=order, due_date=TODAY, by=None, now=now)


def submit(order: WorkOrder, now: datetime) -> object:
    estimate = services.draft_estimate(
        order=order, contractor=contractor_of(order.firm), amount_minor=100, text=""
    )
    return services.submit_estimate(estimate=estimate, by=None, now=now)


def rename(order: WorkOrder, now: datetime) -> object:
    changes = {"title": "Other words"}
    return services.change_details(order=order, changes=changes, by=None, now=now)


@pytest.mark.parametrize(
    ("act", "counts"), [(note, True), (move_due_date, True), (submit, True), (rename, False)]
)
def test_activity_is_what_people_do_about_the_work(
    firm: Firm, act: Callable[[WorkOrder, datetime], object], counts: bool
) -> None:
    order = work_order(firm, last_activity_at=LAST_WEEK, stale_warned_at=LAST_WEEK)
    act(order, NOW)
    order.refresh_from_db()
    assert order.last_activity_at == (NOW if counts else LAST_WEEK)
    assert order.stale_warned_at == (None if counts else LAST_WEEK)
