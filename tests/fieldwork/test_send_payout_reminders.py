"""send_payout_reminders … (spec D29)."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.problems import BadOption
from apps.core.watching import watched_by
from apps.fieldwork.models import ContractorProfile, PayoutRequest, WorkOrder
from apps.fieldwork.services import reject_payout, request_payout, send_payout_reminders
from apps.firms.models import Firm, Membership, Role
from apps.notifications.models import Delivery, Notification
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    ContractorFactory,
    FirmFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.nightly import (
    Trips,
    at,
    member,
    no_longer_wanted,
    noon,
    printed,
    recipients,
    sent,
    words,
)
from tests.fieldwork.working import contractor_of

pytestmark = pytest.mark.django_db

MONDAY = date(2025, 6, 9)
NOW = noon(MONDAY)
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


@pytest.fixture
def firm() -> Firm:
    """Fixit, with one admin."""
    fixit: Firm = FirmFactory(name="Fixit Services")
    member(fixit, Role.ADMIN)
    return fixit


@pytest.fixture
def ada(firm: Firm) -> ContractorProfile:
    return contractor_of(firm, "Ada Plumbing")


def request(
    contractor: ContractorProfile, age: timedelta = timedelta(days=1), **more: Any
) -> PayoutRequest:
    """Return a pending request that is so old at noon of Monday 9 June 2025."""
    asked: PayoutRequest = PayoutRequestFactory(
        contractor=contractor, requested_at=NOW - age, **more
    )
    return asked


def verified(contractor: ContractorProfile, **more: Any) -> WorkOrder:
    order: WorkOrder = WorkOrderFactory(
        firm=contractor.firm, contractor=contractor, status="VERIFIED", **more
    )
    return order


def run(moment: datetime = NOW, **options: Any) -> dict[str, int]:
    with at(moment):
        return dict(send_payout_reminders(**options).tallies)


def listed(name: str) -> list[str]:
    [digest] = sent("payout_reminder")
    return [number for _, number, *_ in digest.context[name]["rows"]]


# ---- what waits -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED", "PAID", "CANCELLED"])
def test_counts_pending_requests_only(ada: ContractorProfile, status: str) -> None:
    pending = request(ada)
    request(ada, status=status)
    run()
    assert listed("pending") == [pending.number]


@pytest.mark.parametrize(
    "status", ["PENDING", "ASSIGNED", "IN_PROGRESS", "ON_HOLD", "COMPLETED", "CANCELLED"]
)
def test_counts_verified_jobs_only_as_ready(
    firm: Firm, ada: ContractorProfile, status: str
) -> None:
    ready = verified(ada)
    WorkOrderFactory(firm=firm, status=status)
    verified(ada, contractor_price_minor=0)
    run()
    assert listed("ready") == [ready.number]


def test_counts_a_job_as_ready_again_once_its_request_is_rejected(
    ada: ContractorProfile,
) -> None:
    order, other = verified(ada), verified(ada)
    asked = request_payout(contractor=ada, orders=[order], extras=[], by=None, now=NOW)
    run()
    assert (listed("pending"), listed("ready")) == ([asked.number], [other.number])
    reject_payout(request=asked, by=None, reason="wrong", now=NOW)
    Notification.objects.all().delete()
    run()
    assert (listed("pending"), listed("ready")) == ([], [order.number, other.number])


def test_does_not_count_a_job_as_ready_that_was_paid(ada: ContractorProfile) -> None:
    order = verified(ada)
    PayoutRequestFactory(contractor=ada, status="PAID", orders=[order])
    assert run() == {}
    assert not Notification.objects.exists()


# ---- what is said ---------------------------------------------------------------------------


def test_says_it_as_the_source_document_does(firm: Firm, ada: ContractorProfile) -> None:
    bob = contractor_of(firm, "Bob Roofing")
    request(bob, timedelta(days=2), number="PAY-REQ-002", amount_minor=320_000)
    request(ada, timedelta(days=3), number="PAY-REQ-001", amount_minor=250_000)
    for number, minor, day in ((123, 180_000, 1), (124, 210_000, 2)):
        verified(
            ada, number=f"JOB-{number:06d}", contractor_price_minor=minor,
            verified_at=noon(date(2025, 6, day)),
        )  # fmt: skip
    run()
    said = words(*sent("payout_reminder"))
    assert said.subject == "Payout Reminder: 2 pending, 2 ready"
    assert said.text == (
        "Payout Reminder:\n"
        "\n"
        "📋 PENDING PAYOUT REQUESTS: 2\n"
        "\n"
        "Top 5 Pending Requests:\n"
        "  • PAY-REQ-001: ada@contractors.example - $2,500.00\n"
        "  • PAY-REQ-002: bob@contractors.example - $3,200.00\n"
        "\n"
        "Total: $5,700.00\n"
        "\n"
        "💰 READY FOR PAYOUT: 2\n"
        "\n"
        "Top 5 Ready for Payout:\n"
        "  • JOB-000123: ada@contractors.example - $1,800.00\n"
        "  • JOB-000124: ada@contractors.example - $2,100.00\n"
        "\n"
        "Total: $3,900.00"
    )


def test_counts_twelve_and_lists_the_five_oldest(ada: ContractorProfile) -> None:
    for age in range(12):
        request(ada, timedelta(hours=age), number=f"PAY-REQ-{12 - age:03d}")
        verified(ada, number=f"JOB-{age:06d}", verified_at=NOW + age * SECOND)
    assert run()["pending"] == 12
    assert listed("pending") == [f"PAY-REQ-{n:03d}" for n in range(1, 6)]
    assert listed("ready") == [f"JOB-{n:06d}" for n in range(5)]
    said = words(*sent("payout_reminder"))
    assert "📋 PENDING PAYOUT REQUESTS: 12\n" in said.text
    assert said.text.count("  • ") == 10
    assert said.html.count("and 7 more") == 2


def test_never_adds_two_currencies(ada: ContractorProfile) -> None:
    for currency, minor in (("USD", 100_000), ("EUR", 5_000), ("USD", 20_000)):
        request(ada, currency=currency, amount_minor=minor)
        verified(ada, currency=currency, contractor_price_minor=minor)
    run()
    assert words(*sent("payout_reminder")).text.count("Total: €50.00, $1,200.00") == 2


@pytest.mark.parametrize(
    ("expires_on", "mark"),
    [
        (MONDAY - timedelta(days=1), " (on hold: compliance expired)"),
        (MONDAY, ""),
        (None, ""),
    ],
)
def test_marks_whose_mandatory_paper_has_expired(
    firm: Firm, ada: ContractorProfile, expires_on: date | None, mark: str
) -> None:
    ComplianceRequirementFactory(firm=firm, doc_type="Liability insurance")
    ComplianceDocumentFactory(
        contractor=ada, doc_type="LIABILITY insurance", expires_on=expires_on
    )
    bob = contractor_of(firm, "Bob Roofing")
    ComplianceDocumentFactory(contractor=bob)
    for contractor, number in ((ada, "PAY-REQ-001"), (bob, "PAY-REQ-002")):
        request(contractor, number=number)
        verified(contractor)
    run()
    text = words(*sent("payout_reminder")).text
    assert f"  • PAY-REQ-001: ada@contractors.example - $300.00{mark}\n" in text
    assert "  • PAY-REQ-002: bob@contractors.example - $300.00\n" in text
    assert text.count("on hold") == (2 if mark else 0)


def test_marks_nobody_for_a_paper_that_is_not_mandatory(
    firm: Firm, ada: ContractorProfile
) -> None:
    ComplianceRequirementFactory(firm=firm, mandatory=False)
    ComplianceRequirementFactory(doc_type="Liability insurance")  # of another firm
    ComplianceDocumentFactory(contractor=ada, expires_on=date(2025, 1, 2))
    request(ada)
    run()
    assert "on hold" not in words(*sent("payout_reminder")).text


def test_marks_whose_mandatory_paper_was_never_there(
    firm: Firm, ada: ContractorProfile
) -> None:
    ComplianceRequirementFactory(firm=firm)
    request(ada)
    run()
    text = words(*sent("payout_reminder")).text
    assert "- $300.00 (on hold: compliance missing)\n" in text


def test_names_a_contractor_without_an_address(firm: Firm) -> None:
    request(
        ContractorFactory(contact__firm=firm, contact__email="", contact__display_name="Cy")
    )
    run()
    assert ": Cy - $300.00" in words(*sent("payout_reminder")).text


def test_leaves_out_what_there_is_none_of(ada: ContractorProfile) -> None:
    request(ada)
    run()
    said = words(*sent("payout_reminder"))
    assert said.subject == "Payout Reminder: 1 pending"
    assert "READY" not in said.text + said.html


def test_shows_the_same_as_a_page(ada: ContractorProfile) -> None:
    request(ada, number="PAY-REQ-001")
    run()
    soup = BeautifulSoup(words(*sent("payout_reminder")).html, "html.parser")
    assert [one.get_text() for one in soup.select("h2")] == ["📋 PENDING PAYOUT REQUESTS: 1"]
    assert [one.get_text() for one in soup.select("td")] == [
        "PAY-REQ-001", "$300.00", "ada@contractors.example", "Total", "$300.00", ""
    ]  # fmt: skip


# ---- the admins -----------------------------------------------------------------------------


def test_tells_admins_and_owners_but_no_facility_managers(
    firm: Firm, ada: ContractorProfile
) -> None:
    request(ada)
    admin = Membership.objects.get(firm=firm).user
    people = [admin, member(firm, Role.OWNER)]
    for role in (Role.FACILITY_MANAGER, Role.STAFF, Role.CONTRACTOR):
        member(firm, role)
    Membership.objects.filter(user=member(firm, Role.ADMIN)).update(is_active=False)
    run()
    assert recipients("payout_reminder") == {f"user:{person.pk}" for person in people}
    assert {one.dedupe_key for one in sent("payout_reminder")} == {
        f"payouts:{person.pk}:2025-06-09" for person in people
    }


def test_tells_them_once_a_day(ada: ContractorProfile) -> None:
    request(ada)
    for moment in (NOW, NOW, NOW + timedelta(days=3)):
        run(moment)
    assert len(sent("payout_reminder")) == 2


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2025-06-09T13:59:00Z", 0),  # a Monday, 09:59 in New York
        ("2025-06-09T14:00:00Z", 1),
        ("2025-06-10T15:00:00Z", 0),
        ("2025-06-12T15:00:00Z", 1),  # a Thursday
        ("2025-06-16T03:00:00Z", 0),  # still Sunday in New York
    ],
)
def test_waits_for_the_local_time_and_day_of_its_schedule(
    ada: ContractorProfile, moment: str, told: int
) -> None:
    request(ada)
    with at(moment):
        report = send_payout_reminders(at="10:00", weekdays="mon,thu")
    assert report.tallies["pending"] == told


def test_tells_contractors_also_where_there_is_no_admin(ada: ContractorProfile) -> None:
    Membership.objects.update(is_active=False)
    request(ada, WEEK + SECOND)
    assert run() == {"contractors notified": 1}
    assert not sent("payout_reminder")


# ---- the contractors ------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "told"), [(WEEK, 0), (WEEK + SECOND, 1)])
def test_tells_a_contractor_when_a_request_is_older_than_a_week(
    ada: ContractorProfile, age: timedelta, told: int
) -> None:
    request(ada, age)
    assert run().get("contractors notified", 0) == told
    assert recipients("payout_waiting") == ({f"contact:{ada.contact_id}"} if told else set())


def test_tells_a_contractor_once_a_week(ada: ContractorProfile) -> None:
    request(ada, WEEK + SECOND)
    told = []
    for day in (0, 3, 7, 10, 14):  # Mondays and Thursdays, and half an hour too early once
        early = timedelta(minutes=30 if day == 7 else 0)
        told.append(run(NOW + timedelta(days=day) - early).get("contractors notified", 0))
    assert told == [1, 0, 0, 1, 0]
    first, second = sent("payout_waiting")
    assert first.dedupe_key.endswith(":week-1")
    assert second.dedupe_key.endswith(":week-2")


def test_tells_a_contractor_once_a_week_however_many_requests_there_are(
    ada: ContractorProfile,
) -> None:
    for age in (7, 6, 5, 4, 3):
        request(ada, timedelta(days=age) + SECOND)
    told = [run(NOW + timedelta(days=day)).get("contractors notified", 0) for day in range(15)]
    assert told == [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert [one.context["count"] for one in sent("payout_waiting")] == [1, 5, 5]


def test_tells_a_contractor_within_a_week_of_the_last_message_of_nothing_new(
    ada: ContractorProfile,
) -> None:
    oldest = request(ada, WEEK + SECOND)
    request(ada, WEEK - timedelta(days=2))
    run()
    reject_payout(request=oldest, by=None, reason="no", now=NOW)
    assert run(NOW + timedelta(days=3)).get("contractors notified", 0) == 0
    assert run(NOW + timedelta(days=7)).get("contractors notified", 0) == 1


def test_says_since_when_a_request_is_pending(ada: ContractorProfile) -> None:
    request(ada, timedelta(days=9), number="PAY-REQ-001", amount_minor=250_000)
    run()
    said = words(*sent("payout_waiting"))
    assert said.subject == "Your payout request PAY-REQ-001 is still pending"
    assert said.text == (
        "Your payout request PAY-REQ-001 for $2,500.00 is still pending since 31 May 2025.\n"
        "\n"
        "Fixit Services has been reminded too; there is nothing for you to do."
    )


def test_says_all_of_a_contractors_requests_in_one_message(ada: ContractorProfile) -> None:
    for age in range(8, 20):
        request(ada, timedelta(days=age), number=f"PAY-REQ-{20 - age:03d}")
    request(ada, timedelta(days=1))
    run()
    said = words(*sent("payout_waiting"))
    assert said.subject == "12 of your payout requests are still pending"
    lines = [line for line in said.text.splitlines() if line.startswith("  • ")]
    assert lines[0] == "  • PAY-REQ-001: $300.00, since 21 May 2025"
    assert (len(lines), lines[-1]) == (11, "  • and 2 more")


def test_tells_a_contractor_why_nothing_is_paid_now(firm: Firm, ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=firm)
    request(ada, timedelta(days=9))
    run()
    assert words(*sent("payout_waiting")).text.endswith(
        "Your payouts are on hold, because a mandatory document of yours is missing or has "
        "expired. Please send it to Fixit Services."
    )


def test_tells_no_contractor_who_was_erased(firm: Firm) -> None:
    request(ContractorFactory(contact__firm=firm, contact__erased_at=NOW), timedelta(days=9))
    assert "contractors notified" not in run()


# ---- when it is about to go out -------------------------------------------------------------


def test_takes_the_digest_back_when_nothing_of_it_stands(ada: ContractorProfile) -> None:
    asked, order = request(ada), verified(ada)
    run()
    [digest] = sent("payout_reminder")
    PayoutRequest.objects.filter(pk=asked.pk).update(status="APPROVED")
    assert no_longer_wanted(digest) == [""]
    WorkOrder.objects.filter(pk=order.pk).update(status="IN_PROGRESS")
    assert no_longer_wanted(digest) == ["settled meanwhile"]


def test_takes_an_older_digest_back_once_the_next_is_there(ada: ContractorProfile) -> None:
    request(ada)
    run()
    run(NOW + timedelta(days=3))
    assert no_longer_wanted(*sent("payout_reminder")) == ["a newer one follows", ""]


def test_takes_a_contractors_message_back_when_all_was_decided(ada: ContractorProfile) -> None:
    first, second = (request(ada, timedelta(days=9)) for _ in range(2))
    run()
    [message] = sent("payout_waiting")
    reject_payout(request=first, by=None, reason="no", now=NOW)
    assert no_longer_wanted(message) == [""]
    reject_payout(request=second, by=None, reason="no", now=NOW)
    assert no_longer_wanted(message) == ["decided"]


# ---- what it prints, dry, next door, in spite of errors, and at what cost -------------------


def test_prints_what_it_reminded_of_and_zeros_the_second_time(
    firm: Firm, ada: ContractorProfile
) -> None:
    bob = contractor_of(firm, "Bob Roofing")
    for contractor, age in ((ada, 9), (bob, 8), (ada, 1), (bob, 1), (ada, 1)):
        request(contractor, timedelta(days=age))
    for _ in range(8):
        verified(ada)
    with at(NOW):
        assert printed("send_payout_reminders") == (
            "Starting payout reminders...\n"
            "Payout reminders sent: 5 pending requests, 8 ready for payout; "
            "2 contractors notified\n"
        )
        assert printed("send_payout_reminders") == (
            "Starting payout reminders...\n"
            "Payout reminders sent: 0 pending requests, 0 ready for payout; "
            "0 contractors notified\n"
        )


def test_shows_the_digest_in_a_dry_run_and_leaves_no_trace(ada: ContractorProfile) -> None:
    request(ada, timedelta(days=9), number="PAY-REQ-001")
    with at(NOW):
        assert printed("send_payout_reminders", dry_run=True) == (
            "Starting payout reminders...\n"
            "  ✓ Would remind the admins of Fixit Services:\n"
            "\n"
            "Payout Reminder:\n"
            "\n"
            "📋 PENDING PAYOUT REQUESTS: 1\n"
            "\n"
            "Top 5 Pending Requests:\n"
            "  • PAY-REQ-001: ada@contractors.example - $300.00\n"
            "\n"
            "Total: $300.00\n"
            "\n"
            "  ✓ Would tell Ada Plumbing that 1 request is still pending\n"
            "Payout reminders that would be sent: 1 pending request, 0 ready for payout; "
            "1 contractor notified\n"
        )
    assert Notification.objects.count() == Delivery.objects.count() == 0


def test_looks_at_another_day_in_a_dry_run(ada: ContractorProfile) -> None:
    request(ada)
    counts = run(dry_run=True, as_of="2025-06-20", at="23:59", weekdays="sun")
    assert counts["contractors notified"] == 1


def test_leaves_other_and_suspended_firms_alone(firm: Firm, ada: ContractorProfile) -> None:
    neighbour, suspended = FirmFactory(), FirmFactory(status=Firm.Status.SUSPENDED)
    for one in (neighbour, suspended):
        member(one, Role.ADMIN)
    for contractor in (ada, contractor_of(neighbour), contractor_of(suspended)):
        request(contractor, timedelta(days=9))
    run(firm_id=firm.pk)
    assert {one.firm_id for one in Notification.objects.all()} == {firm.pk}
    run()
    assert {one.firm_id for one in Notification.objects.all()} == {firm.pk, neighbour.pk}


@pytest.mark.parametrize("break_it", ["amount", "zone"])
def test_spares_the_others_when_one_firm_fails(ada: ContractorProfile, break_it: str) -> None:
    bad = FirmFactory()
    member(bad, Role.ADMIN)
    asked = request(contractor_of(bad))
    request(ada)
    if break_it == "amount":
        PayoutRequest.objects.filter(pk=asked.pk).update(currency="XXZ")
    else:
        Firm.objects.filter(pk=bad.pk).update(timezone="Mars/Olympus")
    with at(NOW):
        report = send_payout_reminders()
    assert (report.done, report.failed) == (1, 1)
    assert {one.firm_id for one in Notification.objects.all()} == {ada.firm_id}


def test_spares_the_others_when_one_contractor_cannot_be_told(
    firm: Firm, ada: ContractorProfile
) -> None:
    bob = contractor_of(firm, "Bob Roofing")
    for contractor in (ada, bob):
        request(contractor, timedelta(days=9))
    with at(NOW), watched_by(Trips(bob.pk)):
        report = send_payout_reminders()
    assert (report.done, report.failed) == (2, 1)
    assert recipients("payout_waiting") == {f"contact:{ada.contact_id}"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "10"}, "Invalid time '10'. Use HH:MM."),
        ({"weekdays": "1,4"}, "Invalid weekdays '1,4'. Use names such as mon,thu."),
        ({"as_of": "2025-06-10"}, "--as-of can only be used with --dry-run."),
    ],
)
def test_refuses_options_it_cannot_use(
    ada: ContractorProfile, options: dict[str, Any], sentence: str
) -> None:
    request(ada)
    with pytest.raises(BadOption) as refusal:
        send_payout_reminders(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


def test_costs_statements_by_the_batch_and_not_by_the_request(
    firm: Firm, ada: ContractorProfile
) -> None:
    costs = []
    for count, age in ((10, 9), (600, 9)):
        for _ in range(count):
            request(ContractorFactory(contact__firm=firm), timedelta(days=age))
        WorkOrderFactory.create_batch(count, firm=firm, status="VERIFIED", contractor=ada)
        Notification.objects.all().delete()
        with at(NOW), CaptureQueriesContext(connection) as queries:
            assert send_payout_reminders().tallies["contractors notified"] >= count
        costs.append(len(queries))
    assert costs[1] <= 2 * costs[0]  # two batches of contractors
