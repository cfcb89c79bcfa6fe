"""check_compliance_expiry … (spec D26)."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.problems import BadOption
from apps.core.watching import watched_by
from apps.fieldwork.models import ComplianceDocument
from apps.fieldwork.services import (
    Paper,
    approve_document,
    check_compliance_expiry,
    correct_document,
    file_document,
    reject_document,
)
from apps.firms.models import Firm, Membership, Role
from apps.notifications.models import Notification
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    ContactFactory,
    ContractorFactory,
    FirmFactory,
)
from tests.fieldwork.nightly import (
    Meddles,
    Trips,
    at,
    days_from,
    member,
    no_longer_wanted,
    noon,
    printed,
    recipients,
    sent,
    words,
)

pytestmark = pytest.mark.django_db

TODAY = date(2025, 6, 10)


def paper(ends_in: int, *, firm: Firm | None = None, **more: Any) -> ComplianceDocument:
    """Return a valid paper whose last valid day is so many days after 10 June 2025."""
    contractor = more.pop("contractor", None) or ContractorFactory(
        contact=ContactFactory(firm=firm or FirmFactory())
    )
    document: ComplianceDocument = ComplianceDocumentFactory(
        contractor=contractor,
        issued_on=date(2020, 1, 1),
        expires_on=TODAY + timedelta(days=ends_in),
        **more,
    )
    return document


def run_on(*days: date, **options: Any) -> list[tuple[int, int]]:
    """Run at noon of each day; return how many papers came to expire soon, and expired."""
    counts = []
    for day in days:
        with at(noon(day)):
            tallies = check_compliance_expiry(**options).tallies
        counts.append((tallies["became expiring soon"], tallies["became expired"]))
    return counts


def status_of(document: ComplianceDocument) -> str:
    document.refresh_from_db()
    return document.status


def warnings() -> list[tuple[str, int]]:
    """Return the step and the days left of every warning, in order."""
    return [
        (one.dedupe_key.rpartition(":")[2], one.context["days"])
        for one in sent("compliance_warning")
    ]


# ---- what papers become ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends_in", "status"),
    [
        (31, "VALID"),
        (30, "EXPIRING_SOON"),
        (1, "EXPIRING_SOON"),
        (0, "EXPIRING_SOON"),
        (-1, "EXPIRED"),
        (-400, "EXPIRED"),
    ],
)
@pytest.mark.parametrize("before", ["VALID", "EXPIRING_SOON", "EXPIRED"])
def test_goes_by_the_last_valid_day(ends_in: int, status: str, before: str) -> None:
    document = paper(ends_in, status=before)
    run_on(TODAY)
    assert status_of(document) == status


@pytest.mark.parametrize(
    ("days", "ends_in", "status"),
    [(1, 1, "EXPIRING_SOON"), (1, 2, "VALID"), (60, 60, "EXPIRING_SOON"), (60, 61, "VALID")],
)
def test_calls_soon_what_it_is_told_to(days: int, ends_in: int, status: str) -> None:
    document = paper(ends_in)
    run_on(TODAY, days=days)
    assert status_of(document) == status


def test_counts_what_has_jumped_over_expiring_soon_as_expired_only() -> None:
    paper(-3)
    assert run_on(TODAY) == [(0, 1)]


def test_makes_a_paper_valid_again_whose_date_was_corrected() -> None:
    document = paper(-1, status="EXPIRED")
    with at(noon(TODAY)):
        correct_document(
            document=document,
            paper=Paper("", expires_on=TODAY + timedelta(days=200)),
            by=None,
            now=noon(TODAY),
        )
    assert run_on(TODAY) == [(0, 0)]
    assert status_of(document) == "VALID"


@pytest.mark.parametrize("status", ["PENDING_REVIEW", "REJECTED", "SUPERSEDED"])
def test_leaves_papers_alone_that_are_not_current(status: str) -> None:
    document = paper(-1, status=status)
    assert run_on(TODAY) == [(0, 0)]
    assert status_of(document) == status
    assert warnings() == []


def test_leaves_papers_alone_that_never_end_or_whose_contractor_has_left() -> None:
    endless = ComplianceDocumentFactory(expires_on=None)
    gone = paper(-1, contractor=ContractorFactory(is_active=False))
    assert run_on(TODAY) == [(0, 0)]
    assert (status_of(endless), status_of(gone)) == ("VALID", "VALID")
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("zone", "too_early", "time"),
    [
        ("America/Los_Angeles", "2025-06-11T06:59:00Z", "2025-06-11T07:00:00Z"),
        ("Asia/Tokyo", "2025-06-10T14:59:00Z", "2025-06-10T15:00:00Z"),
    ],
)
def test_goes_by_the_date_at_the_firm(zone: str, too_early: str, time: str) -> None:
    document = paper(0, firm=FirmFactory(timezone=zone), status="EXPIRING_SOON")
    with at(too_early):
        check_compliance_expiry()
    assert status_of(document) == "EXPIRING_SOON"
    with at(time):
        check_compliance_expiry()
    assert status_of(document) == "EXPIRED"


def test_waits_for_the_local_hour_of_its_schedule() -> None:
    document = paper(-1)
    with at("2025-06-10T09:59:00Z"):  # 05:59 in New York
        check_compliance_expiry(at="06:00")
    assert status_of(document) == "VALID"
    with at("2025-06-10T10:00:00Z"):
        check_compliance_expiry(at="06:00")
    assert status_of(document) == "EXPIRED"


def test_writes_down_what_has_changed() -> None:
    document = paper(-1)
    run_on(TODAY)
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == (
        "compliance_document_expired",
        str(document.pk),
    )
    assert event.changes == {"status": ["VALID", "EXPIRED"], "expires_on": "2025-06-09"}
    assert event.actor_label == "system"


# ---- who is warned, and when ----------------------------------------------------------------


def test_warns_four_times_before_and_once_when_it_has_expired() -> None:
    paper(30)
    run_on(*days_from(TODAY, TODAY + timedelta(days=32)))
    assert warnings() == [
        ("before_30", 30), ("before_14", 14), ("before_7", 7), ("before_1", 1), ("after_1", -1)
    ]  # fmt: skip


def test_reminds_every_week_for_four_weeks_of_an_expired_paper_and_then_no_more() -> None:
    paper(0)
    run_on(*days_from(TODAY + timedelta(days=1), TODAY + timedelta(days=120)))
    assert warnings() == [
        ("after_1", -1), ("after_8", -8), ("after_15", -15), ("after_22", -22),
        ("after_29", -29),
    ]  # fmt: skip


def test_catches_up_a_missed_day_once_with_the_actual_number_of_days() -> None:
    paper(30)
    missed = {TODAY, TODAY + timedelta(days=16), TODAY + timedelta(days=29)}
    days = [day for day in days_from(TODAY, TODAY + timedelta(days=30)) if day not in missed]
    run_on(*days)
    assert warnings() == [
        ("before_30", 29),
        ("before_14", 13),
        ("before_7", 7),
        ("before_1", 0),
    ]


def test_sends_only_the_latest_step_after_a_long_outage() -> None:
    paper(30)
    run_on(TODAY, TODAY + timedelta(days=27), TODAY + timedelta(days=28))
    assert warnings() == [("before_30", 30), ("before_7", 3)]


def test_sends_the_same_when_it_runs_every_hour() -> None:
    paper(1)
    for hour in range(72):
        with at(noon(TODAY) + timedelta(hours=hour)):
            check_compliance_expiry(at="06:00")
    assert warnings() == [("before_1", 1), ("after_1", -1)]


def test_does_not_warn_of_papers_that_ended_before_it_was_switched_on() -> None:
    paper(-44)
    paper(-43)
    assert run_on(TODAY) == [(0, 2)]
    assert warnings() == [("after_29", -43)]


def test_begins_to_warn_when_soon_begins() -> None:
    paper(60)
    paper(5)
    run_on(TODAY, days=60)
    assert warnings() == [("before_60", 60), ("before_7", 5)]


def test_sends_nobody_two_warnings_of_a_paper_on_one_day() -> None:
    paper(29)
    run_on(TODAY)
    run_on(TODAY, days=29)  # a step of its own, and a later one
    assert warnings() == [("before_30", 29)]


def test_begins_anew_when_the_date_was_corrected() -> None:
    document = paper(1)
    run_on(TODAY)
    ComplianceDocument.objects.filter(pk=document.pk).update(
        expires_on=TODAY + timedelta(days=7)
    )
    run_on(TODAY)
    assert warnings() == [("before_1", 1), ("before_7", 7)]


def test_is_silent_about_a_paper_once_a_renewal_was_filed_and_then_approved() -> None:
    document = paper(7)
    with at(noon(TODAY)):
        renewal = file_document(
            contractor=document.contractor,
            paper=Paper("LIABILITY insurance", expires_on=TODAY + timedelta(days=372)),
            by=None,
            now=noon(TODAY),
        )
    assert run_on(TODAY) == [(1, 0)]
    assert warnings() == []
    with at(noon(TODAY)):
        approve_document(document=renewal, by=None, note="", today=TODAY, now=noon(TODAY))
    run_on(*days_from(TODAY, TODAY + timedelta(days=60)))
    assert warnings() == []
    assert (status_of(document), status_of(renewal)) == ("SUPERSEDED", "VALID")


def test_goes_on_warning_when_the_renewal_was_rejected() -> None:
    document = paper(7)
    renewal = ComplianceDocumentFactory(
        contractor=document.contractor, status="PENDING_REVIEW", expires_on=None
    )
    run_on(TODAY)
    assert warnings() == []
    reject_document(document=renewal, by=None, reason="unreadable", now=noon(TODAY))
    run_on(TODAY + timedelta(days=1))
    assert warnings() == [("before_7", 6)]


def test_warns_nobody_who_was_erased() -> None:
    contact = ContactFactory(erased_at=noon(TODAY))
    paper(-1, contractor=ContractorFactory(contact=contact))
    assert run_on(TODAY) == [(0, 1)]
    assert warnings() == []


# ---- what is said ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends_in", "subject", "opening"),
    [
        (
            14,
            "Liability insurance expires in 14 days",
            "Your Liability insurance, number LI-7, for Fixit expires in 14 days "
            "(valid until 24 June 2025).",
        ),
        (
            1,
            "Liability insurance expires in 1 day",
            "Your Liability insurance, number LI-7, for Fixit expires in 1 day "
            "(valid until 11 June 2025).",
        ),
        (
            0,
            "Liability insurance expires today",
            "Your Liability insurance, number LI-7, for Fixit expires today "
            "(valid until 10 June 2025).",
        ),
        (
            -1,
            "Liability insurance has expired",
            "Your Liability insurance, number LI-7, for Fixit has expired "
            "(valid until 9 June 2025).",
        ),
    ],
)
def test_tells_a_contractor_how_many_days_are_left(
    ends_in: int, subject: str, opening: str
) -> None:
    paper(ends_in, firm=FirmFactory(name="Fixit"), number="LI-7")
    run_on(TODAY)
    said = words(*sent("compliance_warning"))
    assert said.subject == subject
    assert said.text.split("\n\n")[0] == opening


@pytest.mark.parametrize(
    ("ends_in", "sentence"),
    [
        (7, "Once it has expired you get no new jobs, and your payouts are on hold."),
        (-1, "Until it is renewed you get no new jobs, and your payouts are on hold."),
    ],
)
def test_tells_a_contractor_what_hangs_on_a_mandatory_paper(
    ends_in: int, sentence: str
) -> None:
    firm = FirmFactory()
    ComplianceRequirementFactory(firm=firm, doc_type="liability INSURANCE")
    ComplianceRequirementFactory(firm=firm, doc_type="Trade licence", mandatory=False)
    paper(ends_in, firm=firm)
    paper(ends_in, firm=firm, doc_type="Trade licence")
    run_on(TODAY)
    mandatory, other = sent("compliance_warning")
    assert sentence in words(mandatory).text
    assert "no new jobs" not in words(other).text


def test_tells_a_contractor_of_several_papers_in_one_message() -> None:
    firm = FirmFactory(name="Fixit")
    contractor = ContractorFactory(contact=ContactFactory(firm=firm))
    paper(7, contractor=contractor, number="LI-7")
    paper(-1, contractor=contractor, doc_type="Trade licence", number="")
    run_on(TODAY)
    said = words(*sent("compliance_warning"))
    assert said.subject == "2 of your documents need to be renewed"
    assert said.text == (
        "These documents of yours for Fixit need to be renewed:\n"
        "\n"
        "  • Trade licence has expired (valid until 9 June 2025)\n"
        "  • Liability insurance, number LI-7, expires in 7 days (valid until 17 June 2025)\n"
        "\n"
        "Please send Fixit the renewal as soon as you can."
    )


def test_tells_facility_managers_and_admins_of_what_is_new_in_one_digest() -> None:
    firm = FirmFactory()
    ComplianceRequirementFactory(firm=firm)
    ada, bob, cyd = (
        ContactFactory(firm=firm, display_name=name)
        for name in ("Ada Plumbing", "Bob Roofing", "Cyd Glass")
    )
    paper(-1, contractor=ContractorFactory(contact=ada))
    paper(14, contractor=ContractorFactory(contact=bob))
    paper(200, contractor=ContractorFactory(contact=cyd), status="EXPIRED")
    paper(5, contractor=ContractorFactory(contact=ContactFactory(firm=firm)),
          status="EXPIRING_SOON")  # fmt: skip
    told = {
        f"user:{member(firm, role).pk}"
        for role in (Role.FACILITY_MANAGER, Role.ADMIN, Role.OWNER)
    }
    for role in (Role.STAFF, Role.MANAGER, Role.CONTRACTOR):
        member(firm, role)
    Membership.objects.filter(user=member(firm)).update(is_active=False)
    run_on(TODAY)
    assert recipients("compliance_changed") == told
    said = words(sent("compliance_changed")[0])
    assert said.subject == ("Compliance documents: 1 expired, 1 expiring soon, 1 valid again")
    assert said.text == (
        "🚨 EXPIRED: 1\n"
        "  • Ada Plumbing: Liability insurance (expired on 9 June 2025)\n"
        "\n"
        "⚠️ EXPIRING SOON: 1\n"
        "  • Bob Roofing: Liability insurance (valid until 24 June 2025)\n"
        "\n"
        "✓ VALID AGAIN: 1\n"
        "  • Cyd Glass: Liability insurance (valid until 27 December 2025)\n"
        "\n"
        "Whoever lacks a mandatory document gets no new jobs, and their payouts are on hold, "
        "until you have approved a renewal."
    )


def test_tells_the_office_of_very_many_papers_without_listing_them_all() -> None:
    firm = FirmFactory()
    member(firm)
    for _ in range(52):
        paper(-1, firm=firm)
    run_on(TODAY)
    [digest] = sent("compliance_changed")
    text = words(digest).text
    assert text.count("  • ") == 50
    assert text.startswith("🚨 EXPIRED: 52\n")
    assert text.endswith("\n  ... and 2 more")


# ---- when it is about to go out -------------------------------------------------------------


def test_takes_a_warning_back_when_the_paper_was_renewed_or_corrected_meanwhile() -> None:
    renewed, corrected, moved_on, rejected = (paper(7) for _ in range(4))
    run_on(TODAY)
    files = ComplianceDocument.objects
    files.filter(pk=renewed.pk).update(status="SUPERSEDED")
    files.filter(pk=corrected.pk).update(expires_on=TODAY + timedelta(days=70))
    files.filter(pk=rejected.pk).update(status="REJECTED")
    assert no_longer_wanted(*sent("compliance_warning")) == [
        "renewed meanwhile", "renewed meanwhile", "", "renewed meanwhile"
    ]  # fmt: skip
    with at(noon(TODAY + timedelta(days=6))):
        check_compliance_expiry(firm_id=moved_on.firm_id)
    first, second = (
        one for one in sent("compliance_warning") if one.subject_id == str(moved_on.pk)
    )
    assert no_longer_wanted(first, second) == ["a newer one follows", ""]


def test_takes_the_digest_back_when_all_of_it_was_renewed() -> None:
    firm = FirmFactory()
    member(firm)
    first, second = paper(-1, firm=firm), paper(-1, firm=firm)
    run_on(TODAY)
    [digest] = sent("compliance_changed")
    ComplianceDocument.objects.filter(pk=first.pk).update(status="SUPERSEDED")
    assert no_longer_wanted(digest) == [""]
    ComplianceDocument.objects.filter(pk=second.pk).update(status="SUPERSEDED")
    assert no_longer_wanted(digest) == ["settled meanwhile"]


# ---- what it prints, again, dry, next door, in spite of errors, and at what cost ------------


def test_prints_what_changed_and_how_things_stand_and_zero_the_second_time() -> None:
    firm = FirmFactory()
    member(firm)
    for ends_in in (30, 14, 1, -1, -40, 31):
        paper(ends_in, firm=firm)
    with at(noon(TODAY)):
        assert printed("check_compliance_expiry") == (
            "Starting compliance expiry check...\n"
            "Compliance check complete: 3 expiring, 2 expired\n"
            "Currently: 3 expiring soon, 2 expired.\n"
        )
        told = Notification.objects.count()
        assert told == 6  # five contractors, one digest
        assert printed("check_compliance_expiry") == (
            "Starting compliance expiry check...\n"
            "Compliance check complete: 0 expiring, 0 expired\n"
            "Currently: 3 expiring soon, 2 expired.\n"
        )
    assert Notification.objects.count() == told


def test_shows_the_changes_in_a_dry_run_and_leaves_no_trace() -> None:
    firm = FirmFactory()
    member(firm)
    document = paper(-1, firm=firm, doc_type="Trade licence")
    name = f"Trade licence of {document.contractor}"
    with at(noon(TODAY)):
        assert printed("check_compliance_expiry", dry_run=True) == (
            "Starting compliance expiry check...\n"
            f"  ✓ Would mark expired, warn after_1: {name} (2025-06-09)\n"
            "Compliance check would find: 0 expiring, 1 expired\n"
            "Currently: 0 expiring soon, 1 expired.\n"
        )
    assert status_of(document) == "VALID"
    assert not Notification.objects.exists()
    assert not AuditEvent.objects.exists()


def test_looks_at_another_day_in_a_dry_run() -> None:
    paper(40)
    with at(noon(TODAY)):
        report = check_compliance_expiry(dry_run=True, as_of="2025-06-20", at="23:59")
    assert report.tallies["became expiring soon"] == 1


def test_leaves_other_and_suspended_firms_alone() -> None:
    mine, neighbour = paper(-1), paper(-1)
    suspended = paper(-1, firm=FirmFactory(status=Firm.Status.SUSPENDED))
    run_on(TODAY, firm_id=mine.firm_id)
    assert [status_of(one) for one in (mine, neighbour, suspended)] == [
        "EXPIRED", "VALID", "VALID"
    ]  # fmt: skip
    assert {one.firm_id for one in Notification.objects.all()} == {mine.firm_id}
    run_on(TODAY)
    assert [status_of(one) for one in (neighbour, suspended)] == ["EXPIRED", "VALID"]


def test_says_which_firm_it_leaves_out() -> None:
    firm = FirmFactory(status=Firm.Status.CLOSED)
    assert f"Firm {firm.pk} is closed; skipped.\n" in printed(
        "check_compliance_expiry", firm_id=firm.pk
    )


def test_spares_the_others_when_one_paper_fails() -> None:
    firm = FirmFactory()
    member(firm)
    good, bad, other = (paper(-1, firm=firm) for _ in range(3))
    with at(noon(TODAY)), watched_by(Trips(bad.pk)):
        report = check_compliance_expiry()
    assert (report.done, report.failed) == (2, 1)
    assert [status_of(one) for one in (good, bad, other)] == ["EXPIRED", "VALID", "EXPIRED"]
    assert len(sent("compliance_warning")) == 2
    said = words(*sent("compliance_changed"))  # one message of two
    assert said.subject == "Compliance documents: 2 expired"


def test_spares_the_others_when_the_zone_of_one_firm_is_unknown() -> None:
    good, bad = paper(-1), paper(-1)
    Firm.objects.filter(pk=bad.firm_id).update(timezone="Mars/Olympus")
    with at(noon(TODAY)):
        report = check_compliance_expiry()
    assert (report.done, report.failed) == (1, 1)
    assert [status_of(one) for one in (good, bad)] == ["EXPIRED", "VALID"]


def test_lets_whoever_corrects_a_paper_in_the_middle_win() -> None:
    document, other = paper(-1), paper(-1)
    same = ComplianceDocument.objects.filter(pk=document.pk)
    meddles = Meddles(lambda: same.update(expires_on=TODAY + timedelta(days=300)))
    with at(noon(TODAY)), watched_by(meddles):
        report = check_compliance_expiry()
    assert (report.done, report.skipped) == (1, 1)
    assert [status_of(one) for one in (document, other)] == ["VALID", "EXPIRED"]
    assert [one.subject_id for one in sent("compliance_warning")] == [str(other.pk)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"days": 0}, "--days must be a positive integer."),
        ({"firm_id": 9999}, "Firm with ID 9999 does not exist."),
        ({"at": "6:00"}, "Invalid time '6:00'. Use HH:MM."),
        ({"as_of": "2025-06-10"}, "--as-of can only be used with --dry-run."),
    ],
)
def test_refuses_options_it_cannot_use(options: dict[str, Any], sentence: str) -> None:
    paper(-1)
    with pytest.raises(BadOption) as refusal:
        check_compliance_expiry(**options)
    assert str(refusal.value) == sentence
    assert not Notification.objects.exists()


def test_costs_statements_by_the_batch_and_not_by_the_paper() -> None:
    firm = FirmFactory()
    member(firm)
    costs = []
    for count in (10, 600):
        contacts = ContactFactory.create_batch(count, firm=firm)
        for contact in contacts:
            paper(-1, contractor=ContractorFactory(contact=contact))
        with at(noon(TODAY)), CaptureQueriesContext(connection) as queries:
            assert check_compliance_expiry().tallies["became expired"] == count
        costs.append(len(queries))
    assert costs[1] <= 2 * costs[0] + 5  # two batches, and a page more to look at
