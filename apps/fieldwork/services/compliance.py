"""Contractors' papers: filed, looked at, replaced; and who may work and be paid.

A paper holds through its last day (C-21). What it says counts, not what the nightly check
has noted about it: somebody whose insurance ended yesterday gets no work today.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from apps.audit.services import record
from apps.core.days import write_day
from apps.core.problems import Problem
from apps.documents.models import Document
from apps.fieldwork.models import (
    ComplianceDocument,
    ComplianceRequirement,
    ContractorProfile,
)
from apps.fieldwork.services.ownership import check_ours
from apps.fieldwork.services.telling import tell_office_of_paper, tell_reviewed
from apps.firms.models import User

Status = ComplianceDocument.Status


# ---- who may work and be paid ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """A mandatory paper that a contractor lacks, and the last day of the one there was."""

    doc_type: str
    expired_on: date | None

    def __str__(self) -> str:
        if self.expired_on is None:
            return f"no {self.doc_type} on file"
        return f"{self.doc_type} expired on {write_day(self.expired_on)}"


def gaps_of(contractor_ids: Collection[int], *, on: date) -> dict[int, list[Gap]]:
    """Return what is missing or has expired on a local day, by contractor; three queries.

    Only mandatory papers count. Who lacks nothing is not in the answer.
    """
    firms = dict(
        ContractorProfile.objects.filter(pk__in=contractor_ids).values_list("pk", "firm_id")
    )
    asked: dict[int, list[str]] = defaultdict(list)
    requirements = ComplianceRequirement.objects.filter(
        firm__in=set(firms.values()), mandatory=True
    )
    for firm_id, doc_type in requirements.order_by("doc_type").values_list(
        "firm_id", "doc_type"
    ):
        asked[firm_id].append(doc_type)
    current = ComplianceDocument.objects.current().filter(contractor__in=firms)
    last_days = {
        (contractor, doc_type.lower()): expires_on
        for contractor, doc_type, expires_on in current.values_list(
            "contractor_id", "doc_type", "expires_on"
        )
    }
    gaps: dict[int, list[Gap]] = defaultdict(list)
    for contractor, firm_id in firms.items():
        for doc_type in asked[firm_id]:
            key = (contractor, doc_type.lower())
            last = last_days.get(key)
            if key not in last_days or (last is not None and last < on):
                gaps[contractor].append(Gap(doc_type, last))
    return dict(gaps)


def is_cleared(contractor: ContractorProfile, *, on: date) -> bool:
    """Tell whether a contractor has every mandatory paper on a local day."""
    return not gaps_of([contractor.pk], on=on)


def check_cleared(contractor: ContractorProfile, *, on: date, refusal: str) -> None:
    """Raise ``Problem`` with what is missing, unless a contractor is cleared on a local day."""
    if gaps := gaps_of([contractor.pk], on=on).get(contractor.pk):
        raise Problem(f"{contractor} {refusal}: {', '.join(map(str, gaps))}.")


# ---- what the firm asks for -----------------------------------------------------------------


def require_document(*, requirement: ComplianceRequirement, by: User | None) -> None:
    """Ask contractors for a kind of paper from now on, or change whether it is mandatory."""
    with transaction.atomic():
        requirement.save()
        changes = {"doc_type": requirement.doc_type, "mandatory": requirement.mandatory}
        record("compliance_requirement_set", requirement, actor=by, changes=changes)


def drop_requirement(*, requirement: ComplianceRequirement, by: User | None) -> None:
    """Ask contractors for a kind of paper no longer; the papers stay on file."""
    with transaction.atomic():
        changes = {"doc_type": requirement.doc_type}
        record("compliance_requirement_dropped", requirement, actor=by, changes=changes)
        requirement.delete()


# ---- the papers themselves ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paper:
    """What a certificate says; ``expires_on`` is its last valid day, none: no end."""

    doc_type: str
    number: str = ""
    issued_on: date | None = None
    expires_on: date | None = None
    file: Document | None = None


def file_document(
    *, contractor: ContractorProfile, paper: Paper, by: User | None, now: datetime
) -> ComplianceDocument:
    """File a contractor's paper, which waits for somebody of the office to look at it.

    What is current stays so until then. The office is told, but for whoever filed it.
    """
    check_ours(contractor.firm_id, paper.file)
    with transaction.atomic():
        document = ComplianceDocument.objects.create(
            firm_id=contractor.firm_id,
            contractor=contractor,
            doc_type=_as_required(contractor.firm_id, paper.doc_type),
            number=paper.number,
            issued_on=paper.issued_on,
            expires_on=paper.expires_on,
            file=paper.file,
            created_at=now,
        )
        record("compliance_document_filed", document, actor=by, changes=_says(document))
        tell_office_of_paper(document, but_for=by)
    return document


def approve_document(
    *,
    document: ComplianceDocument,
    by: User | None,
    note: str,
    today: date,
    now: datetime,
) -> ComplianceDocument:
    """Accept a paper that was filed; it replaces the current one of its kind.

    ``today`` is the firm's. Raises ``Problem`` for one that has ended, and for any that does
    not wait for review. The nightly check says from when on it expires soon.
    """
    with transaction.atomic():
        document = _lock(document)
        if document.expires_on is not None and document.expires_on < today:
            ended = write_day(document.expires_on)
            raise Problem(f"{document} ended on {ended}: ask for a newer one.")
        before = ComplianceDocument.objects.current().filter(
            contractor=document.contractor, doc_type__iexact=document.doc_type
        )
        replaced = list(before.exclude(pk=document.pk))
        before.filter(pk__in=[one.pk for one in replaced]).update(
            status=Status.SUPERSEDED, replaced_by=document, updated_at=now
        )
        _review(document, (Status.PENDING_REVIEW,), Status.VALID, by=by, note=note, now=now)
        for one in replaced:
            changes = {"status": [one.status, Status.SUPERSEDED], "replaced_by": document.pk}
            record("compliance_document_superseded", one, actor=by, changes=changes)
        tell_reviewed(document)
    return document


def reject_document(
    *, document: ComplianceDocument, by: User | None, reason: str, now: datetime
) -> ComplianceDocument:
    """Refuse a paper that was filed, or one that turns out to be wrong after all.

    The contractor is told why. Raises ``Problem`` for one that is rejected or replaced.
    """
    with transaction.atomic():
        document = _lock(document)
        sources = (Status.PENDING_REVIEW, *ComplianceDocument.CURRENT)
        _review(document, sources, Status.REJECTED, by=by, note=reason, now=now)
        tell_reviewed(document)
    return document


def correct_document(
    *, document: ComplianceDocument, paper: Paper, by: User | None, now: datetime
) -> ComplianceDocument:
    """Correct what was typed of a paper; the nightly check draws the consequences.

    Its kind stays. Raises ``Problem`` for one that is rejected or replaced.
    """
    check_ours(document.firm_id, paper.file)
    with transaction.atomic():
        document = _lock(document)
        if document.status in {Status.REJECTED, Status.SUPERSEDED}:
            raise Problem(f"{document} is {document.get_status_display().lower()}.")
        before = _says(document)
        document.number, document.file = paper.number, paper.file
        document.issued_on, document.expires_on = paper.issued_on, paper.expires_on
        changes = {
            name: [before[name], value]
            for name, value in _says(document).items()
            if before[name] != value
        }
        if changes:
            typed = ("number", "issued_on", "expires_on", "file")
            document.save(update_fields=[*typed, "updated_at"])
            record("compliance_document_corrected", document, actor=by, changes=changes)
    return document


def _lock(document: ComplianceDocument) -> ComplianceDocument:
    """Lock a paper's contractor, so that of two papers at once one replaces the other."""
    ContractorProfile.objects.select_for_update(no_key=True).get(pk=document.contractor_id)
    rows = ComplianceDocument.objects.select_related("contractor__contact", "firm")
    return rows.get(pk=document.pk)


def _review(
    document: ComplianceDocument,
    sources: Sequence[Status],
    to: Status,
    *,
    by: User | None,
    note: str,
    now: datetime,
) -> None:
    before = document.status
    fields = {"status": to, "reviewed_by": by, "reviewed_at": now, "review_note": note}
    same = ComplianceDocument.objects.filter(pk=document.pk, status__in=sources)
    if not same.update(**fields, updated_at=now):
        raise Problem(f"{document} is {document.get_status_display().lower()}.")
    for name, value in fields.items():
        setattr(document, name, value)
    done = "approved" if to == Status.VALID else "rejected"
    changes = {"status": [before, to.value]}
    record(f"compliance_document_{done}", document, actor=by, changes=changes, reason=note)


def _as_required(firm_id: int, doc_type: str) -> str:
    """Write a kind of paper as the firm's requirement writes it, if there is one."""
    asked = ComplianceRequirement.objects.filter(firm=firm_id, doc_type__iexact=doc_type)
    return asked.values_list("doc_type", flat=True).first() or doc_type


def _says(document: ComplianceDocument) -> dict[str, str]:
    return {
        "doc_type": document.doc_type,
        "number": document.number,
        "issued_on": str(document.issued_on or ""),
        "expires_on": str(document.expires_on or ""),
        "file": str(document.file_id or ""),
    }
