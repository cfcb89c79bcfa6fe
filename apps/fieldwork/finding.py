"""How work orders, contractors' papers and payouts are found."""

from django.db.models import Value

from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words
from apps.fieldwork.models import (
    ComplianceDocument,
    ContractorProfile,
    PayoutRequest,
    WorkOrder,
)

_ORDER = words("number", Value(" "), "title")
_PAPER = words("doc_type", Value(" of "), "contractor__contact__display_name")

FINDERS = (
    Finder(model=WorkOrder, columns=("number", "title"), label=_ORDER, loads=("firm",)),
    Finder(
        model=ComplianceDocument,
        columns=("number",),
        label=_PAPER,
        loads=("firm", "contractor__contact"),
    ),
    Finder(
        model=PayoutRequest,
        columns=("number",),
        label="number",
        loads=("firm", "contractor__contact"),
    ),
    Finder(
        model=ContractorProfile,
        columns=("contact__display_name", "contact__email"),
        label="contact__display_name",
        loads=("firm", "contact"),
    ),
)

RELATIONS = (
    Relation(
        to=Contact,
        rows=lambda contact: ContractorProfile.objects.filter(contact=contact),
        label="contact__display_name",
    ),
    Relation(
        to=Contact,
        rows=lambda contact: WorkOrder.objects.filter(customer=contact),
        label=_ORDER,
    ),
    Relation(
        to=ContractorProfile,
        rows=lambda contractor: WorkOrder.objects.filter(contractor=contractor),
        label=_ORDER,
    ),
    Relation(
        to=ContractorProfile,
        rows=lambda contractor: ComplianceDocument.objects.filter(contractor=contractor),
        label=_PAPER,
    ),
    Relation(
        to=ContractorProfile,
        rows=lambda contractor: PayoutRequest.objects.filter(contractor=contractor),
        label="number",
    ),
    Relation(
        to=PayoutRequest,
        rows=lambda request: ContractorProfile.objects.filter(pk=request.contractor_id),
        label="contact__display_name",
        told=True,
    ),
)
