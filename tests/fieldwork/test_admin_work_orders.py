"""Work orders in the admin: what the office types, presses, looks for and reads."""

from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from apps.audit.models import AuditEvent
from apps.fieldwork import services
from apps.fieldwork.models import ContractorProfile, Estimate, PayoutRequest, WorkOrder
from apps.firms.models import Firm, User
from tests.admin.test_billing_actions import press, said
from tests.admin.visiting import address, filled
from tests.admin.world import everything, staff_of
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    ContactFactory,
    EstimateFactory,
    InvoiceFactory,
    MembershipFactory,
    UnitFactory,
    WorkOrderEventFactory,
    WorkOrderFactory,
    WorkOrderNoteFactory,
)
from tests.fieldwork.desk import ESTIMATES, ORDERS, cells, errors, tell
from tests.fieldwork.working import NOW, TODAY, audited, contractor_of, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

LABEL = "fieldwork.workorder"


def work_order(firm: Firm, **what: Any) -> WorkOrder:
    order: WorkOrder = WorkOrderFactory(
        firm=firm, **{"number": "JOB-000123", "title": "Bathroom renovation"} | what
    )
    return order


# ---- making and changing one ----------------------------------------------------------------


def test_a_new_one_gets_its_number_and_leads_to_its_own_page(
    desk: Client, alice: User, firm: Firm
) -> None:
    bob = ContactFactory(firm=firm)
    where = address(LABEL, "add")
    data = filled(desk, where) | {
        "title": "Kitchen", "description": "New sink", "customer": bob.pk,
        "due_date": "2025-06-20", "customer_price_minor": "1250.50",
        "contractor_price_minor": "800",
    }  # fmt: skip
    answer = desk.post(where, data)
    order = WorkOrder.objects.get()
    assert answer["Location"] == address(LABEL, "change", order.pk)
    assert (order.firm, order.number, order.status) == (firm, "JOB-000001", "PENDING")
    assert (order.customer, order.due_date, order.created_by) == (bob, date(2025, 6, 20), alice)
    assert (order.currency, order.customer_price_minor, order.contractor_price_minor) == (
        "USD", 125_050, 80_000
    )  # fmt: skip
    assert audited() == ["work_order_created"]


def test_work_at_a_property_is_in_its_currency(desk: Client, firm: Firm) -> None:
    home = UnitFactory(property__firm=firm, property__currency="JPY")
    where = address(LABEL, "add")
    data = filled(desk, where) | {"title": "Roof", "unit": home.pk}
    answer = desk.post(where, data | {"customer_price_minor": "98000.5"})
    assert "An amount in JPY has no decimals." in errors(answer)
    desk.post(where, data | {"customer_price_minor": "98000"})
    order = WorkOrder.objects.get()
    assert (order.currency, order.customer_price_minor) == ("JPY", 98_000)


def test_what_is_changed_goes_through_the_service(
    desk: Client, alice: User, firm: Firm, ada: ContractorProfile
) -> None:
    order = work_order(firm, status="ASSIGNED", contractor=ada)
    where = address(LABEL, "change", order.pk)
    typed = {"title": "Bath", "due_date": "2025-06-20", "contractor_price_minor": "310"}
    assert desk.post(where, filled(desk, where) | typed).status_code == 302
    order.refresh_from_db()
    assert (order.title, order.due_date, order.contractor_price_minor) == (
        "Bath", date(2025, 6, 20), 31_000
    )  # fmt: skip
    assert audited() == ["work_order_due_date", "work_order_changed"]
    assert {event.actor for event in AuditEvent.objects.all()} == {alice}
    assert told() == [("Ada Plumbing", "job_changed")]


def test_state_number_and_contractor_are_not_typed(desk: Client, firm: Firm) -> None:
    order = work_order(firm)
    where = address(LABEL, "change", order.pk)
    typed = {"status": "VERIFIED", "number": "JOB-1", "contractor": "1", "invoice": "1"}
    assert desk.post(where, filled(desk, where) | typed).status_code == 302
    order.refresh_from_db()
    assert (order.status, order.number, order.contractor) == ("PENDING", "JOB-000123", None)
    assert audited() == []


def test_what_is_settled_is_only_read(desk: Client, firm: Firm, ada: ContractorProfile) -> None:
    invoice = InvoiceFactory(account__contact__firm=firm, kind="work")
    order = work_order(firm, status="VERIFIED", contractor=ada, invoice=invoice, due_date=TODAY)
    services.request_payout(contractor=ada, orders=[order], extras=[], by=None, now=NOW)
    page = BeautifulSoup(desk.get(address(LABEL, "change", order.pk)).content, "html.parser")
    read = {
        name: page.select_one(f".field-{name} .readonly").get_text(strip=True)  # type: ignore[union-attr]
        for name in ("customer_price_minor", "contractor_price_minor", "due_date")
    }
    assert read == {
        "customer_price_minor": "$500.00",
        "contractor_price_minor": "$300.00",
        "due_date": "June 10, 2025",
    }


def test_what_became_impossible_meanwhile_is_said(desk: Client, firm: Firm) -> None:
    order = work_order(firm)
    where = address(LABEL, "change", order.pk)
    data = filled(desk, where) | {"due_date": "2025-06-20"}
    reads = count(1)

    def cancelled_in_between(execute: Any, sql: str, *rest: Any) -> Any:
        """Let somebody cancel the work after the page has read it, and before its lock does."""
        if (
            sql.startswith("SELECT")
            and 'FROM "fieldwork_workorder"' in sql
            and next(reads) == 2
        ):
            WorkOrder.objects.filter(pk=order.pk).update(status="CANCELLED")
        return execute(sql, *rest)

    with connection.execute_wrapper(cancelled_in_between):
        answer = desk.post(where, data, follow=True)
    assert said(answer) == "JOB-000123 gets no other due date: it is cancelled."


def test_nobody_deletes_work(desk: Client, office: Client, firm: Firm) -> None:
    order = work_order(firm)
    for client in (desk, office):
        answer = client.post(address(LABEL, "delete", order.pk), {"post": "yes"})
        assert answer.status_code == 403
    assert WorkOrder.objects.count() == 1


# ---- moving it along ------------------------------------------------------------------------


def test_the_office_takes_work_from_the_first_call_to_the_last_check(
    desk: Client, alice: User, firm: Firm, neighbour: Firm, ada: ContractorProfile
) -> None:
    order, theirs = work_order(firm), work_order(neighbour)
    both = (order, theirs)
    given = tell(desk, ORDERS, "give", *both, contractor=ada.pk)
    assert given == "1 work order given to Ada Plumbing."
    assert said(press(desk, ORDERS, "start", *both)) == "1 work order started."
    assert tell(desk, ORDERS, "hold", *both) == "1 work order put on hold."
    assert said(press(desk, ORDERS, "resume", *both)) == "1 work order resumed."
    assert said(press(desk, ORDERS, "complete", *both)) == "1 work order completed."
    assert tell(desk, ORDERS, "reopen", *both) == "1 work order reopened."
    assert said(press(desk, ORDERS, "complete", *both)) == "1 work order completed."
    assert said(press(desk, ORDERS, "verify", *both)) == "1 work order verified."
    assert said(press(desk, ORDERS, "request_payout", *both)) == "1 payout requested."
    assert audited() == [
        "work_order_assigned", "work_order_started", "work_order_held", "work_order_resumed",
        "work_order_completed", "work_order_reopened", "work_order_completed",
        "work_order_verified", "payout_requested",
    ]  # fmt: skip
    assert {event.actor for event in AuditEvent.objects.all()} == {alice}
    theirs.refresh_from_db()
    assert (theirs.status, theirs.events.count()) == ("PENDING", 0)


def test_what_cannot_be_done_is_skipped_with_the_reason(desk: Client, firm: Firm) -> None:
    waiting = work_order(firm)
    done = work_order(firm, status="COMPLETED", number="JOB-000124")
    assert said(press(desk, ORDERS, "start", waiting, done)) == (
        "0 work orders started, 2 skipped: JOB-000124 cannot be started: it is completed; "
        "JOB-000123 cannot be started: it is pending."
    )


def test_work_is_given_to_another_and_taken_back(
    desk: Client, firm: Firm, ada: ContractorProfile
) -> None:
    order = work_order(firm, status="IN_PROGRESS")
    assert tell(desk, ORDERS, "give", order, contractor=ada.pk) == (
        "1 work order given to Ada Plumbing."
    )
    assert tell(desk, ORDERS, "take_back", order) == "1 work order taken back."
    order.refresh_from_db()
    assert (order.status, order.contractor) == ("PENDING", None)


def test_the_choice_of_contractors_says_who_lacks_what(
    desk: Client, firm: Firm, neighbour: Firm, ada: ContractorProfile
) -> None:
    ComplianceRequirementFactory(firm=firm)
    ComplianceDocumentFactory(contractor=ada, expires_on=date(2025, 6, 9))
    contractor_of(firm, "Bob Roofing", trades="")
    contractor_of(firm, "Cyd Gone", is_active=False)
    contractor_of(neighbour, "Dan Stranger")
    order = work_order(firm)
    page = BeautifulSoup(press(desk, ORDERS, "give", order).content, "html.parser")
    assert [one.get_text() for one in page.select("select[name=contractor] option")] == [
        "Choose",
        "Ada Plumbing, Plumbing (Liability insurance expired on 9 June 2025)",
        "Bob Roofing (no Liability insurance on file)",
    ]
    assert tell(desk, ORDERS, "give", order, contractor=ada.pk) == (
        "0 work orders given to Ada Plumbing, 1 skipped: Ada Plumbing cannot be given work: "
        "Liability insurance expired on 9 June 2025."
    )


def test_the_choice_is_one_of_ones_own_contractors(
    desk: Client, firm: Firm, neighbour: Firm
) -> None:
    dan, before = contractor_of(neighbour), everything()
    answer = press(desk, ORDERS, "give", work_order(firm), confirmed="yes", contractor=dan.pk)
    assert b"Select a valid choice" in answer.content
    answer = press(desk, ORDERS, "give", WorkOrder.objects.get(), confirmed="yes")
    assert b"Choose a contractor." in answer.content
    assert everything()["fieldwork.workorderevent"] == before["fieldwork.workorderevent"]


def test_work_of_two_firms_is_not_given_at_once(
    desk: Client, alice: User, firm: Firm, neighbour: Firm
) -> None:
    MembershipFactory(firm=neighbour, user=alice)
    orders = work_order(firm), work_order(neighbour)
    assert tell(desk, ORDERS, "give", *orders) == "Select work orders of one firm."


@pytest.mark.parametrize(
    "action", ["give", "hold", "take_back", "reopen", "cancel", "add_note"]
)
def test_an_action_asks_before_it_does_anything(desk: Client, firm: Firm, action: str) -> None:
    order = work_order(firm, status="ASSIGNED")
    before = everything()
    assert b"JOB-000123: Bathroom renovation" in press(desk, ORDERS, action, order).content
    press(desk, ORDERS, action, order, confirmed="yes", reason=" ", text=" ")
    assert everything() == before


def test_cancelled_it_says_why_on_its_page(desk: Client, firm: Firm) -> None:
    order = work_order(firm)
    assert tell(desk, ORDERS, "cancel", order, reason="Sold the house") == (
        "1 work order cancelled."
    )
    page = BeautifulSoup(desk.get(address(LABEL, "change", order.pk)).content, "html.parser")
    [why] = page.select(".field-cancel_reason .readonly")
    assert why.get_text(strip=True) == "Sold the house"


def test_a_note_is_added(desk: Client, alice: User, firm: Firm) -> None:
    order = work_order(firm)
    assert tell(desk, ORDERS, "add_note", order, text="Rang twice") == "1 note added."
    note = order.notes.get()
    assert (note.text, note.author, note.written_at) == ("Rang twice", alice, NOW)


def test_the_customer_is_invoiced(desk: Client, firm: Firm) -> None:
    bob = ContactFactory(firm=firm, display_name="Bob Baker")
    order = work_order(firm, status="COMPLETED", customer=bob)
    for_nobody = work_order(firm, number="JOB-000124")
    assert said(press(desk, ORDERS, "invoice_customer", order, for_nobody)) == (
        "1 work order invoiced, 1 skipped: JOB-000124 cannot be invoiced: it has no customer."
    )


def test_pay_is_requested_once_for_each_contractor(
    desk: Client, firm: Firm, ada: ContractorProfile
) -> None:
    bob = contractor_of(firm, "Bob Roofing")
    orders = [
        work_order(firm, number=f"JOB-{n}", status="VERIFIED", contractor=whom)
        for n, whom in enumerate((ada, bob, ada))
    ]
    assert said(press(desk, ORDERS, "request_payout", *orders)) == "2 payouts requested."
    found = PayoutRequest.objects.order_by("pk").values_list("number", "amount_minor")
    assert list(found) == [("PAY-REQ-001", 60_000), ("PAY-REQ-002", 30_000)]
    assert said(press(desk, ORDERS, "request_payout", orders[0])) == (
        "0 payouts requested, 1 skipped: JOB-0 is on PAY-REQ-001 already."
    )


def test_who_may_only_look_presses_nothing(client: Client, firm: Firm) -> None:
    user = staff_of(firm, rights=False)
    looking = Permission.objects.filter(codename__in=["view_workorder", "view_estimate"])
    user.user_permissions.set(looking)
    client.force_login(user)
    order, estimate = (
        work_order(firm, status="ASSIGNED"),
        EstimateFactory(work_order__firm=firm),
    )
    before = everything()
    for action in ("give", "start", "hold", "complete", "cancel", "add_note", "request_payout"):
        tell(client, ORDERS, action, order, text="x")
    for action in ("approve", "reject"):
        tell(client, ESTIMATES, action, estimate)
    assert client.get(address(LABEL, "add")).status_code == 403
    assert everything() == before
    page = client.get(address(LABEL, "change", order.pk))
    assert b"$500.00" in page.content


# ---- estimates ------------------------------------------------------------------------------


def test_an_estimate_is_recorded_from_the_orders_page(
    desk: Client, alice: User, firm: Firm, ada: ContractorProfile
) -> None:
    order = work_order(firm, status="ASSIGNED", contractor=ada)
    page = BeautifulSoup(desk.get(address(LABEL, "change", order.pk)).content, "html.parser")
    [way] = page.select(".row-buttons a")
    assert way.get_text() == "Record an estimate"
    where = str(way["href"])
    data = filled(desk, where)
    assert (data["work_order"], data["contractor"]) == (str(order.pk), str(ada.pk))
    data["amount_minor"] = "450.005"
    assert "An amount in USD has at most 2 decimals." in errors(desk.post(where, data))
    answer = desk.post(where, data | {"amount_minor": "450", "text": "Tiles"})
    assert answer["Location"] == address(LABEL, "change", order.pk)
    estimate = Estimate.objects.get()
    assert (estimate.status, estimate.amount_minor, estimate.submitted_at) == (
        "SUBMITTED", 45_000, NOW
    )  # fmt: skip
    assert AuditEvent.objects.get().actor == alice


def test_an_estimate_for_finished_work_is_refused_in_a_sentence(
    desk: Client, firm: Firm, ada: ContractorProfile
) -> None:
    order = work_order(firm, status="VERIFIED", contractor=ada)
    where = address("fieldwork.estimate", "add")
    data = {"work_order": order.pk, "contractor": ada.pk, "amount_minor": "450"}
    answer = desk.post(where, data, follow=True)
    assert said(answer) == "JOB-000123 takes no estimate: it is verified."
    assert not Estimate.objects.exists()


def test_estimates_are_answered(desk: Client, firm: Firm) -> None:
    first, second = EstimateFactory.create_batch(2, work_order__firm=firm)
    theirs = EstimateFactory()
    assert said(press(desk, ESTIMATES, "approve", first, theirs)) == "1 estimate approved."
    assert tell(desk, ESTIMATES, "reject", first, second) == (
        "1 estimate rejected, 1 skipped: This estimate is approved."
    )
    states = Estimate.objects.order_by("pk").values_list("status", flat=True)
    assert list(states) == ["APPROVED", "REJECTED", "SUBMITTED"]


# ---- looking --------------------------------------------------------------------------------


def waiting(client: Client, what: str) -> list[str]:
    return sorted(cells(client, ORDERS, "number", waits=what))


def test_the_list_finds_what_waits(desk: Client, firm: Firm, ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=firm)
    ComplianceDocumentFactory(contractor=ada)
    lacking = contractor_of(firm, "Bob Roofing")
    day = timedelta(days=1)

    def make(number: str, status: str, **what: Any) -> None:
        what.setdefault("contractor", None if status == "PENDING" else ada)
        work_order(firm, number=number, status=status, **what)

    make("new", "PENDING")
    make("late", "ASSIGNED", due_date=TODAY - day)
    make("today", "ASSIGNED", due_date=TODAY)
    make("week", "PENDING", due_date=TODAY + 7 * day)
    make("later", "PENDING", due_date=TODAY + 8 * day)
    make("papers", "ON_HOLD", contractor=lacking)
    make("done", "COMPLETED", due_date=TODAY - day, customer=ContactFactory(firm=firm))
    make("old", "VERIFIED", contractor=lacking, contractor_price_minor=0)
    make("pay", "VERIFIED")
    make("gone", "CANCELLED", due_date=TODAY - day)
    assert {what: waiting(desk, what) for what in FILTERS} == {
        "unassigned": ["later", "new", "week"],
        "overdue": ["late"],
        "soon": ["today", "week"],
        "papers": ["papers"],
        "verification": ["done"],
        "invoice": ["done"],
        "payout": ["pay"],
    }


FILTERS = ["unassigned", "overdue", "soon", "papers", "verification", "invoice", "payout"]


def test_each_firm_is_judged_by_its_own_day(
    office: Client, firm: Firm, neighbour: Firm
) -> None:
    neighbour.timezone = "Pacific/Kiritimati"  # it is the 11th there
    neighbour.save()
    for number, whose in (("ours", firm), ("theirs", neighbour)):
        work_order(whose, number=number, due_date=TODAY)
    assert waiting(office, "overdue") == ["theirs"]
    assert cells(office, ORDERS, "due", waits="overdue") == ["June 10, 2025 (1 day overdue)"]
    assert waiting(office, "soon") == ["ours"]


@pytest.mark.parametrize("term", ["000123", "bathroom", "ada", "baker", "maple court", "101"])
def test_work_is_found_by_number_title_people_and_place(
    desk: Client, firm: Firm, ada: ContractorProfile, term: str
) -> None:
    work_order(
        firm,
        status="ASSIGNED",
        contractor=ada,
        customer=ContactFactory(firm=firm, display_name="Bob Baker"),
        unit=UnitFactory(property__firm=firm, property__name="Maple Court", label="101"),
    )
    work_order(firm, number="JOB-000777", title="Roof")
    assert cells(desk, ORDERS, "number", q=term) == ["JOB-000123"]


def test_the_page_of_an_order_tells_its_story_newest_first(
    desk: Client, alice: User, firm: Firm
) -> None:
    order = work_order(firm)
    WorkOrderEventFactory(work_order=order, occurred_at=NOW - timedelta(days=2))
    WorkOrderEventFactory(
        work_order=order, kind="due_date", actor=alice, detail="From none", occurred_at=NOW
    )
    WorkOrderNoteFactory(work_order=order, text="Rang twice", author=alice)
    WorkOrderNoteFactory(work_order=order, text="Closed", is_automatic=True)
    page = BeautifulSoup(desk.get(address(LABEL, "change", order.pk)).content, "html.parser")

    def column(inline: str, name: str) -> list[str]:
        found = page.select(f"#{inline}-group td.field-{name}")
        return [one.get_text(" ", strip=True) for one in found]

    assert column("events", "kind") == ["Due date changed", "Created"]
    assert column("events", "doer") == [alice.username, "Nightshift"]
    assert column("notes", "text") == ["Closed", "Rang twice"]
    assert column("notes", "writer") == ["Nightshift", alice.username]
