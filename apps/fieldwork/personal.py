"""What field work holds about people: whose work it was, who did it, and their pay."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.personal import (
    Basis,
    Blocker,
    Fate,
    Holding,
    Of,
    People,
    by_contact,
    by_user,
)
from apps.fieldwork.models import (
    ComplianceDocument,
    ComplianceRequirement,
    ContractorProfile,
    Estimate,
    Payout,
    PayoutRequest,
    PayoutRequestLine,
    SummaryMark,
    WorkOrder,
    WorkOrderEvent,
    WorkOrderNote,
)


def _of_order(path: str) -> Of:
    """Return what finds rows by a work order that is somebody's, or that they do."""

    def of(people: People) -> Q:
        return Q(**{f"{path}customer__in": people.contacts}) | Q(
            **{f"{path}contractor__contact__in": people.contacts}
        )

    return of


def _erase_papers(papers: QuerySet[Any]) -> int:
    """Delete papers; which replaced which is forgotten first, or they would hold each other."""
    keys = list(papers.values_list("pk", flat=True))
    theirs = ComplianceDocument.objects.filter(pk__in=keys)
    theirs.update(replaced_by=None)
    count, _ = theirs.delete()
    return count


HOLDINGS = (
    # ---- pay: what the law has kept ---------------------------------------------------
    Holding(
        Payout,
        category="payouts",
        of=by_contact("request__contractor__contact"),
        basis=Basis.OBSERVED,
        exports=("request__number", "amount_minor", "currency", "paid_at", "reference"),
        fate=Fate.RETAIN,
        becomes={"reference": ""},
        since="paid_at",
        authors=("recorded_by",),
    ),
    Holding(
        PayoutRequestLine,
        category="payouts",
        of=by_contact("request__contractor__contact"),
        basis=Basis.OBSERVED,
        exports=("request__number", "work_order__number", "description", "amount_minor"),
        currency="request__currency",
        fate=Fate.RETAIN,
        becomes={"description": "erased"},
        since="request__requested_at",
        kept_with="request",
    ),
    Holding(
        PayoutRequest,
        category="payouts",
        of=by_contact("contractor__contact"),
        basis=Basis.OBSERVED,
        exports=(
            *("number", "amount_minor", "currency", "status", "requested_at", "decided_at"),
            "reason",
        ),
        fate=Fate.RETAIN,
        becomes={"reason": ""},
        since="requested_at",
        authors=("requested_by", "decided_by"),
        told=("reason",),
    ),
    # ---- work: it stays what it was, for and by nobody in particular ------------------
    Holding(
        Estimate,
        category="estimates",
        of=by_contact("contractor__contact"),
        exports=(
            *("work_order__number", "amount_minor", "currency", "status", "text"),
            *("submitted_at", "decided_at", "reason"),
        ),
        fate=Fate.ANONYMISE,
        becomes={"text": "", "reason": ""},
        authors=("decided_by",),
        told=("text", "reason"),
    ),
    Holding(
        WorkOrderNote,
        category="notes",
        of=by_user("author"),
        exports=("work_order__number", "text", "written_at"),
        fate=Fate.ANONYMISE,
        becomes={"author": None},
        told=("text",),
    ),
    Holding(
        WorkOrderEvent,
        category="work orders",
        of=_of_order("work_order__"),
        basis=Basis.OBSERVED,
        exports=("work_order__number", "kind", "from_status", "to_status", "occurred_at"),
        fate=Fate.ANONYMISE,
        authors=("actor",),
        told=("detail",),
    ),
    Holding(
        WorkOrder,
        category="work orders",
        of=_of_order(""),
        basis=Basis.OBSERVED,
        exports=(
            *("number", "title", "description", "status", "due_date", "scheduled_on"),
            *("created_at", "completed_at", "verified_at", "cancelled_at", "cancel_reason"),
        ),
        fate=Fate.ANONYMISE,
        authors=("created_by",),
        told=("title", "description", "cancel_reason"),
        plain=("currency",),
    ),
    # ---- contractors ------------------------------------------------------------------
    Holding(
        ComplianceDocument,
        category="compliance documents",
        of=by_contact("contractor__contact"),
        exports=(
            *("doc_type", "number", "issued_on", "expires_on", "status", "reviewed_at"),
            *("review_note", "created_at"),
        ),
        authors=("reviewed_by",),
        told=("review_note",),
        erase=_erase_papers,
    ),
    Holding(
        ContractorProfile,
        category="contractor profile",
        of=by_contact("contact"),
        exports=("trades", "is_active", "created_at"),
        fate=Fate.ANONYMISE,
        becomes={"trades": "", "is_active": False},
    ),
    # ---- nobody's ---------------------------------------------------------------------
    Holding(ComplianceRequirement, plain=("doc_type",)),
    Holding(SummaryMark),
)


# ---- what has to be settled before somebody can be erased -------------------------------


def pending_payouts(people: People, firm_id: int) -> Iterator[str]:
    """Yield the payouts that a contractor waits for."""
    waits = (PayoutRequest.Status.PENDING, PayoutRequest.Status.APPROVED)
    requests = PayoutRequest.objects.filter(
        firm=firm_id, contractor__contact__in=people.contacts, status__in=waits
    )
    for request in requests.order_by("pk"):
        yield f"{request} is {request.get_status_display().lower()}"


BLOCKERS: tuple[Blocker, ...] = (pending_payouts,)
