"""Who is told what about papers that run out (spec D26)."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from apps.core.reports import Subject
from apps.fieldwork.messages.compliance_expiry import (
    COMPLIANCE_CHANGED,
    COMPLIANCE_WARNING,
    SECTIONS,
    SHOWN,
)
from apps.fieldwork.models import ComplianceDocument, ComplianceRequirement
from apps.fieldwork.services.telling import OFFICE
from apps.firms.rights import in_charge
from apps.leasing.services.milestones import Milestone
from apps.notifications.services import Draft, Planned, notify

Required = Collection[tuple[int, str]]  # firm, kind of paper in lower case


@dataclass(frozen=True, slots=True)
class Change:
    """A paper, what it is on a local day, and the step its contractor is warned of."""

    paper: ComplianceDocument
    after: ComplianceDocument.Status
    today: date
    warning: Milestone | None

    @property
    def is_new(self) -> bool:
        """Whether the paper was something else before."""
        return self.after != self.paper.status

    @property
    def subject(self) -> Subject:
        return Subject.of(self.paper, part=str(self.today))


def tell(changes: Sequence[Change], *, now: datetime) -> list[Planned]:
    """Warn the contractors, and tell the office what is new; return the warnings that are new.

    Four statements and those of the outbox, however many changes.
    """
    required = _required({change.paper.firm_id for change in changes})
    news = [change for change in changes if change.is_new]
    planned = notify([*_warnings(changes, required), *_digests(news, required, now)])
    return [one for one in planned if one.draft.type == COMPLIANCE_WARNING]


def series_of(paper: ComplianceDocument) -> str:
    """Return what the keys of a paper's warnings begin with; another date begins anew."""
    return f"compliance:{paper.pk}:{paper.expires_on}"


def _required(firm_ids: Collection[int]) -> Required:
    """Return the papers that firms insist on. One query."""
    rows = ComplianceRequirement.objects.filter(firm__in=firm_ids, mandatory=True)
    return {(firm, kind.lower()) for firm, kind in rows.values_list("firm_id", "doc_type")}


def _warnings(changes: Sequence[Change], required: Required) -> Iterator[Draft]:
    for change in changes:
        paper = change.paper
        if change.warning is None or paper.expires_on is None:
            continue
        yield Draft(
            type=COMPLIANCE_WARNING,
            firm_id=paper.firm_id,
            recipient=paper.contractor.contact,
            dedupe_key=f"{series_of(paper)}:{change.warning.name}",
            about=paper,
            context={
                "firm": paper.firm.name,
                "type": paper.doc_type,
                "number": paper.number,
                "until": str(paper.expires_on),
                "days": (paper.expires_on - change.today).days,
                "mandatory": _is_required(paper, required),
            },
        )


def _digests(news: Sequence[Change], required: Required, now: datetime) -> Iterator[Draft]:
    by_firm: dict[int, list[Change]] = defaultdict(list)
    for change in news:
        by_firm[change.paper.firm_id].append(change)
    people = in_charge(by_firm, roles=OFFICE) if by_firm else {}
    for firm_id, changes in by_firm.items():
        context: dict[str, Any] = {
            name: _section([one for one in changes if one.after == status])
            for name, status in SECTIONS.items()
        }
        context["blocks"] = any(
            one.after == ComplianceDocument.Status.EXPIRED and _is_required(one.paper, required)
            for one in changes
        )
        first = min(one.paper.pk for one in changes)
        for person in people.get(firm_id, ()):
            yield Draft(
                type=COMPLIANCE_CHANGED,
                firm_id=firm_id,
                recipient=person,
                # A status is written once; the key only tells the batches of a run apart.
                dedupe_key=f"compliance-changed:{now.isoformat()}:{first}",
                about=changes[0].paper.firm,
                context=context,
            )


def _section(changes: Sequence[Change]) -> dict[str, Any]:
    papers = sorted((one.paper for one in changes), key=lambda paper: str(paper.expires_on))
    rows = [
        (paper.pk, str(paper.contractor), paper.doc_type, str(paper.expires_on))
        for paper in papers[:SHOWN]
    ]
    return {"count": len(papers), "rows": rows}


def _is_required(paper: ComplianceDocument, required: Required) -> bool:
    return (paper.firm_id, paper.doc_type.lower()) in required
