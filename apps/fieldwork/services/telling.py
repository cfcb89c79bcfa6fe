"""Who is told what: drafts into the outbox, in the transaction of what they tell about."""

from collections.abc import Iterable, Mapping

from django.db.models import Model

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.fieldwork.messages import contractors, customers, office
from apps.fieldwork.models import (
    ComplianceDocument,
    ContractorProfile,
    Estimate,
    PayoutRequest,
    WorkOrder,
    WorkOrderEvent,
)
from apps.firms.models import Membership, Role, User
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType

OFFICE = (Role.OWNER, Role.ADMIN, Role.FACILITY_MANAGER)

Kind = WorkOrderEvent.Kind

_OF_EVENT = {
    Kind.ASSIGNED: contractors.JOB_ASSIGNED,
    Kind.REASSIGNED: contractors.JOB_ASSIGNED,
    Kind.UNASSIGNED: contractors.JOB_TAKEN_BACK,
    Kind.CANCELLED: contractors.JOB_TAKEN_BACK,
    Kind.HELD: contractors.JOB_CHANGED,
    Kind.RESUMED: contractors.JOB_CHANGED,
    Kind.REOPENED: contractors.JOB_CHANGED,
    Kind.DUE_DATE: contractors.JOB_CHANGED,
    Kind.VERIFIED: contractors.JOB_ACCEPTED,
}


# ---- contractors and customers --------------------------------------------------------------


def tell_contractor(
    event: WorkOrderEvent,
    order: WorkOrder,
    *,
    contractor: ContractorProfile | None = None,
    before: str = "",
) -> None:
    """Tell the contractor of a work order what has happened to it.

    ``contractor``: the one who has it no longer. ``before``: the due date as it was.
    """
    whom = contractor or order.contractor
    if whom is None:
        return
    gone = contractor is not None
    kind = contractors.JOB_TAKEN_BACK if gone else _OF_EVENT[Kind(event.kind)]
    context = {
        "kind": event.kind,
        "contractor": whom.pk,
        "reason": "" if event.kind == Kind.REASSIGNED else event.detail,
        "before": before,
        "after": order.due_date.isoformat() if order.due_date else "",
    }
    _tell([whom.contact], kind, order, key=f"job-event:{event.pk}", context=context)


def tell_estimate_decided(event: WorkOrderEvent, order: WorkOrder, estimate: Estimate) -> None:
    """Tell a contractor whether the estimate was accepted."""
    whom = estimate.contractor.contact
    _tell([whom], contractors.ESTIMATE_DECIDED, estimate, key=f"job-event:{event.pk}")


def tell_reviewed(document: ComplianceDocument) -> None:
    """Tell a contractor what came of a paper."""
    context = {
        "rejected": document.status == ComplianceDocument.Status.REJECTED,
        "note": document.review_note,
    }
    key = f"paper:{document.pk}:{document.status}"
    whom = document.contractor.contact
    _tell([whom], contractors.PAPER_REVIEWED, document, key=key, context=context)


def tell_payout(request: PayoutRequest, *, reference: str = "") -> None:
    """Tell a contractor what came of a payout request."""
    context = {"status": request.status, "reason": request.reason, "reference": reference}
    is_paid = request.status == PayoutRequest.Status.PAID
    kind = contractors.PAYOUT_PAID if is_paid else contractors.PAYOUT_DECIDED
    key = f"payout:{request.pk}:{request.status}"
    _tell([request.contractor.contact], kind, request, key=key, context=context)


def tell_customer(order: WorkOrder, invoice: Invoice) -> None:
    """Tell a customer of the invoice for a work order."""
    assert order.customer is not None  # whom the invoice is for
    context = {"number": order.number, "title": order.title}
    kind, key = customers.WORK_INVOICE_ISSUED, f"invoice-issued:{invoice.pk}"
    _tell([order.customer], kind, invoice, key=key, context=context)


# ---- the office -----------------------------------------------------------------------------


def tell_creator(event: WorkOrderEvent, order: WorkOrder) -> None:
    """Ask whoever ordered the work to look at it."""
    key = f"job-event:{event.pk}"
    _tell(_who_ordered(order, but_for=event.actor), office.JOB_COMPLETED, order, key=key)


def tell_of_estimate(event: WorkOrderEvent, order: WorkOrder, estimate: Estimate) -> None:
    """Ask whoever ordered the work to answer an estimate."""
    whom, key = _who_ordered(order, but_for=event.actor), f"job-event:{event.pk}"
    _tell(whom, office.ESTIMATE_SUBMITTED, estimate, key=key)


def tell_office_of_paper(document: ComplianceDocument, *, but_for: User | None) -> None:
    """Ask the office to look at a paper."""
    whom = _people(document.firm_id, OFFICE, but_for=but_for)
    _tell(whom, office.PAPER_FILED, document, key=f"paper:{document.pk}:filed")


def tell_of_request(request: PayoutRequest, *, but_for: User | None) -> None:
    """Ask those in charge of money to decide about a payout request."""
    whom = _people(request.firm_id, (Role.OWNER, Role.ADMIN), but_for=but_for)
    _tell(whom, office.PAYOUT_REQUESTED, request, key=f"payout:{request.pk}:requested")


def _who_ordered(order: WorkOrder, *, but_for: User | None) -> list[User]:
    """Return who made an order; whoever has left the firm has left it to the office."""
    creator = order.created_by
    if creator is not None:
        here = Membership.objects.filter(firm=order.firm_id, user=creator, is_active=True)
        if here.exists():
            return [] if creator == but_for else [creator]
    return _people(order.firm_id, OFFICE, but_for=but_for)


def _people(firm_id: int, roles: Iterable[Role], *, but_for: User | None) -> list[User]:
    people = in_charge([firm_id], roles=roles).get(firm_id, [])
    return [person for person in people if person != but_for]


def _tell(
    whom: Iterable[Contact | User],
    kind: NotificationType,
    about: Model,
    *,
    key: str,
    context: Mapping[str, object] | None = None,
) -> None:
    firm_id: int = about.firm_id  # type: ignore[attr-defined]  # every row here has one
    notify(
        [
            Draft(
                type=kind,
                firm_id=firm_id,
                recipient=one,
                dedupe_key=key,
                about=about,
                context=context or {},
            )
            for one in whom
            if isinstance(one, User) or one.erased_at is None
        ]
    )
