"""A contractor's paper … is filed, looked at and replaced; it decides over work and pay."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.fieldwork import services
from apps.fieldwork.models import ComplianceDocument, ContractorProfile
from apps.fieldwork.services import Gap, Paper, gaps_of, is_cleared
from apps.firms.models import Firm, User
from tests.factories import (
    ComplianceDocumentFactory,
    ComplianceRequirementFactory,
    ContractorFactory,
    DocumentFactory,
    MembershipFactory,
)
from tests.fieldwork.working import NOW, TODAY, audited, told

pytestmark = pytest.mark.django_db

INSURANCE = "Liability insurance"
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def anna(firm: Firm) -> User:
    user: User = MembershipFactory(
        firm=firm, user__username="anna", roles=["facility_manager"]
    ).user
    return user


def file(ada: ContractorProfile, by: User | None = None, **says: Any) -> ComplianceDocument:
    paper = Paper(**{"doc_type": INSURANCE, "expires_on": date(2026, 6, 30)} | says)
    return services.file_document(contractor=ada, paper=paper, by=by, now=NOW)


def approve(document: ComplianceDocument, by: User | None = None) -> ComplianceDocument:
    return services.approve_document(document=document, by=by, note="", today=TODAY, now=NOW)


def reject(document: ComplianceDocument) -> ComplianceDocument:
    return services.reject_document(document=document, by=None, reason="Blurred", now=NOW)


def states() -> list[str]:
    papers = ComplianceDocument.objects.order_by("pk")
    return list(papers.values_list("status", flat=True))


# ---- filing ---------------------------------------------------------------------------------


def test_waits_for_review_and_the_office_is_asked(ada: ContractorProfile, anna: User) -> None:
    MembershipFactory(firm=ada.firm, user__username="bela", roles=["staff"])
    MembershipFactory(user__username="stranger")
    scan = DocumentFactory(firm=ada.firm)
    document = file(ada, number="LI-77", issued_on=date(2025, 6, 1), file=scan)
    assert (document.status, document.number, document.file) == (
        "PENDING_REVIEW", "LI-77", scan
    )  # fmt: skip
    assert told() == [("anna", "paper_filed")]
    assert audited() == ["compliance_document_filed"]
    assert AuditEvent.objects.get().changes == {
        "doc_type": INSURANCE, "number": "LI-77", "issued_on": "2025-06-01",
        "expires_on": "2026-06-30", "file": str(scan.pk),
    }  # fmt: skip


def test_whoever_filed_it_is_not_asked(ada: ContractorProfile, anna: User) -> None:
    file(ada, by=anna)
    assert told() == []


def test_is_called_what_the_firm_calls_it(ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=ada.firm, doc_type=INSURANCE)
    ComplianceRequirementFactory(doc_type="LIABILITY INSURANCE")
    assert file(ada, doc_type="liability Insurance").doc_type == INSURANCE
    assert file(ada, doc_type="Trade licence").doc_type == "Trade licence"


def test_a_file_of_another_firm_is_refused(ada: ContractorProfile) -> None:
    with pytest.raises(Problem, match=r"^This belongs to another firm\.$"):
        file(ada, file=DocumentFactory())


# ---- approving ------------------------------------------------------------------------------


def test_is_valid_once_somebody_has_approved_it(ada: ContractorProfile, anna: User) -> None:
    document = approve(file(ada), by=anna)
    document.refresh_from_db()
    assert (document.status, document.reviewed_by, document.reviewed_at) == ("VALID", anna, NOW)
    assert told()[-1] == ("Ada Plumbing", "paper_reviewed")
    assert audited()[-1] == "compliance_document_approved"


@pytest.mark.parametrize("before", ["VALID", "EXPIRING_SOON", "EXPIRED"])
def test_replaces_the_current_one_of_its_kind(ada: ContractorProfile, before: str) -> None:
    old = ComplianceDocumentFactory(contractor=ada, status=before)
    licence = ComplianceDocumentFactory(contractor=ada, doc_type="Trade licence")
    theirs = ComplianceDocumentFactory()
    new = approve(file(ada, doc_type="LIABILITY insurance"))
    old.refresh_from_db()
    assert (old.status, old.replaced_by) == ("SUPERSEDED", new)
    for other in (licence, theirs):
        other.refresh_from_db()
        assert (other.status, other.replaced_by) == ("VALID", None)
    assert audited()[1:] == ["compliance_document_approved", "compliance_document_superseded"]


def test_what_is_current_stays_so_until_the_new_one_is_approved(ada: ContractorProfile) -> None:
    ComplianceDocumentFactory(contractor=ada)
    new = file(ada)
    assert states() == ["VALID", "PENDING_REVIEW"]
    reject(new)
    assert states() == ["VALID", "REJECTED"]


@pytest.mark.parametrize(("expires_on", "goes"), [(TODAY, True), (YESTERDAY, False)])
def test_holds_through_its_last_day(
    ada: ContractorProfile, expires_on: date, goes: bool
) -> None:
    document = file(ada, expires_on=expires_on)
    if goes:
        assert approve(document).status == "VALID"
        return
    refusal = "Liability insurance of Ada Plumbing ended on 9 June 2025: ask for a newer one."
    with pytest.raises(Problem) as refused:
        approve(document)
    assert (str(refused.value), states()) == (refusal, ["PENDING_REVIEW"])


@pytest.mark.parametrize(
    ("status", "state"),
    [("VALID", "valid"), ("REJECTED", "rejected"), ("SUPERSEDED", "replaced"),
     ("EXPIRING_SOON", "expiring soon")],
)  # fmt: skip
def test_is_approved_only_while_it_waits(
    ada: ContractorProfile, status: str, state: str
) -> None:
    document = ComplianceDocumentFactory(contractor=ada, status=status)
    refusal = f"^Liability insurance of Ada Plumbing is {state}\\.$"
    with pytest.raises(Problem, match=refusal):
        approve(document)
    assert (states(), audited(), told()) == ([status], [], [])


def test_the_database_allows_one_current_paper_of_a_kind(ada: ContractorProfile) -> None:
    ComplianceDocumentFactory(contractor=ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        ComplianceDocumentFactory(contractor=ada, doc_type=INSURANCE.upper(), status="EXPIRED")
    ComplianceDocumentFactory(contractor=ada, status="PENDING_REVIEW")
    ComplianceDocumentFactory(doc_type=INSURANCE)


# ---- rejecting and correcting ---------------------------------------------------------------


@pytest.mark.parametrize("status", ["PENDING_REVIEW", "VALID", "EXPIRING_SOON", "EXPIRED"])
def test_what_is_wrong_is_rejected_and_the_contractor_told_why(
    ada: ContractorProfile, status: str
) -> None:
    document = reject(ComplianceDocumentFactory(contractor=ada, status=status))
    assert (document.status, document.review_note) == ("REJECTED", "Blurred")
    assert told() == [("Ada Plumbing", "paper_reviewed")]
    assert AuditEvent.objects.get().reason == "Blurred"
    with pytest.raises(Problem, match=r"^Liability insurance of Ada Plumbing is rejected\.$"):
        reject(document)


def test_a_wrong_date_is_corrected_and_written_down(ada: ContractorProfile) -> None:
    document = ComplianceDocumentFactory(contractor=ada, number="LI-1")
    services.correct_document(
        document=document,
        paper=Paper(INSURANCE, "LI-1", document.issued_on, date(2026, 12, 31)),
        by=None,
        now=NOW,
    )
    document.refresh_from_db()
    assert document.expires_on == date(2026, 12, 31)
    assert AuditEvent.objects.get().changes == {"expires_on": ["2025-12-31", "2026-12-31"]}


@pytest.mark.parametrize("status", ["REJECTED", "SUPERSEDED"])
def test_what_counts_no_more_is_not_corrected(ada: ContractorProfile, status: str) -> None:
    document = ComplianceDocumentFactory(contractor=ada, status=status)
    with pytest.raises(Problem):
        services.correct_document(document=document, paper=Paper(INSURANCE), by=None, now=NOW)


# ---- who may work and be paid ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expires_on", "gap"),
    [
        ("VALID", date(2025, 12, 31), None),
        ("VALID", None, None),
        ("VALID", TODAY, None),
        ("EXPIRING_SOON", TODAY, None),
        ("VALID", YESTERDAY, Gap(INSURANCE, YESTERDAY)),  # the nightly check was off
        ("EXPIRED", YESTERDAY, Gap(INSURANCE, YESTERDAY)),
        ("EXPIRED", date(2025, 12, 31), None),  # its date was corrected since
        ("PENDING_REVIEW", date(2025, 12, 31), Gap(INSURANCE, None)),
        ("REJECTED", date(2025, 12, 31), Gap(INSURANCE, None)),
        ("SUPERSEDED", date(2025, 12, 31), Gap(INSURANCE, None)),
    ],
)
def test_what_it_says_decides_and_not_what_was_noted(
    ada: ContractorProfile, status: str, expires_on: date | None, gap: Gap | None
) -> None:
    ComplianceRequirementFactory(firm=ada.firm, doc_type="LIABILITY INSURANCE")
    ComplianceDocumentFactory(contractor=ada, status=status, expires_on=expires_on)
    gaps = gaps_of([ada.pk], on=TODAY)
    found = [(one.doc_type.lower(), one.expired_on) for one in gaps.get(ada.pk, [])]
    assert found == ([(gap.doc_type.lower(), gap.expired_on)] if gap else [])
    assert is_cleared(ada, on=TODAY) == (gap is None)
    assert ContractorProfile.objects.lacking_papers(on=TODAY).exists() == (gap is not None)


def test_only_mandatory_papers_of_ones_own_firm_are_missed(ada: ContractorProfile) -> None:
    ComplianceRequirementFactory(firm=ada.firm, mandatory=False)
    ComplianceRequirementFactory(doc_type="Trade licence")
    assert gaps_of([ada.pk], on=TODAY) == {}


def test_all_that_is_missing_is_named(ada: ContractorProfile) -> None:
    for doc_type in (INSURANCE, "Trade licence"):
        ComplianceRequirementFactory(firm=ada.firm, doc_type=doc_type)
    ComplianceDocumentFactory(contractor=ada, expires_on=YESTERDAY)
    refusal = (
        "Ada Plumbing cannot be given work: Liability insurance expired on 9 June 2025, "
        "no Trade licence on file."
    )
    with pytest.raises(Problem) as refused:
        services.check_cleared(ada, on=TODAY, refusal="cannot be given work")
    assert str(refused.value) == refusal


def test_many_contractors_cost_as_many_queries_as_one(firm: Firm) -> None:
    ComplianceRequirementFactory(firm=firm)
    many = [ContractorFactory(contact__firm=firm) for _ in range(20)]
    for one in many[:10]:
        ComplianceDocumentFactory(contractor=one)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        gaps = gaps_of([one.pk for one in many], on=TODAY)
    assert set(gaps) == {one.pk for one in many[10:]}
    assert len(captured) == 3
