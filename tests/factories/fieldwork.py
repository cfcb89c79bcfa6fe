"""Work orders, contractors and what they are paid."""

from datetime import UTC, date, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

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
from tests.factories.people import ContactFactory, FirmFactory

CREATED = datetime(2025, 6, 2, 15, tzinfo=UTC)  # a Monday, 10 or 11 in the morning in the US


class ContractorFactory(DjangoModelFactory[ContractorProfile]):
    class Meta:
        model = ContractorProfile

    contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("contact.firm")
    trades = "Plumbing"


class ComplianceRequirementFactory(DjangoModelFactory[ComplianceRequirement]):
    class Meta:
        model = ComplianceRequirement

    firm = factory.SubFactory(FirmFactory)
    doc_type = "Liability insurance"


class ComplianceDocumentFactory(DjangoModelFactory[ComplianceDocument]):
    """An approved liability insurance, valid until 31 December 2025."""

    class Meta:
        model = ComplianceDocument

    contractor = factory.SubFactory(ContractorFactory)
    firm = factory.SelfAttribute("contractor.firm")
    doc_type = "Liability insurance"
    number = factory.Sequence(lambda n: f"LI-{n:05d}")
    issued_on = date(2025, 1, 1)
    expires_on = date(2025, 12, 31)
    status = ComplianceDocument.Status.VALID


class WorkOrderFactory(DjangoModelFactory[WorkOrder]):
    """A pending order of 2 June 2025; in any state but pending and cancelled it has somebody.

    The customer pays $500.00, the contractor gets $300.00.
    """

    class Meta:
        model = WorkOrder

    firm = factory.SubFactory(FirmFactory)
    number = factory.Sequence(lambda n: f"JOB-{n:06d}")
    title = "Plumbing repair"
    status = WorkOrder.Status.PENDING
    contractor = factory.Maybe(
        factory.LazyAttribute(
            lambda o: o.status not in {WorkOrder.Status.PENDING, WorkOrder.Status.CANCELLED}
        ),
        factory.SubFactory(
            ContractorFactory,
            contact=factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("...firm")),
        ),
        None,
    )
    currency = factory.SelfAttribute("firm.currency")
    customer_price_minor = 50_000
    contractor_price_minor = 30_000
    created_at = CREATED
    last_activity_at = factory.SelfAttribute("created_at")
    completed_at = factory.LazyAttribute(
        lambda o: (
            o.last_activity_at
            if o.status in {WorkOrder.Status.COMPLETED, WorkOrder.Status.VERIFIED}
            else None
        )
    )
    verified_at = factory.LazyAttribute(
        lambda o: o.last_activity_at if o.status == WorkOrder.Status.VERIFIED else None
    )
    cancelled_at = factory.LazyAttribute(
        lambda o: o.last_activity_at if o.status == WorkOrder.Status.CANCELLED else None
    )


class WorkOrderEventFactory(DjangoModelFactory[WorkOrderEvent]):
    class Meta:
        model = WorkOrderEvent

    work_order = factory.SubFactory(WorkOrderFactory)
    firm = factory.SelfAttribute("work_order.firm")
    kind = WorkOrderEvent.Kind.CREATED
    to_status = factory.SelfAttribute("work_order.status")
    occurred_at = factory.SelfAttribute("work_order.last_activity_at")


class WorkOrderNoteFactory(DjangoModelFactory[WorkOrderNote]):
    class Meta:
        model = WorkOrderNote

    work_order = factory.SubFactory(WorkOrderFactory)
    firm = factory.SelfAttribute("work_order.firm")
    text = "The key is with the neighbour."
    written_at = factory.SelfAttribute("work_order.last_activity_at")


class EstimateFactory(DjangoModelFactory[Estimate]):
    """A submitted estimate of $450.00."""

    class Meta:
        model = Estimate

    work_order = factory.SubFactory(WorkOrderFactory)
    firm = factory.SelfAttribute("work_order.firm")
    contractor = factory.SubFactory(
        ContractorFactory,
        contact=factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("...firm")),
    )
    status = Estimate.Status.SUBMITTED
    amount_minor = 45_000
    currency = factory.SelfAttribute("work_order.currency")
    submitted_at = CREATED


class PayoutRequestFactory(DjangoModelFactory[PayoutRequest]):
    """A request of 2 June 2025 for $300.00; ``orders`` are what it is for, else a call-out."""

    class Meta:
        model = PayoutRequest
        skip_postgeneration_save = True

    contractor = factory.SubFactory(ContractorFactory)
    firm = factory.SelfAttribute("contractor.firm")
    number = factory.Sequence(lambda n: f"PAY-REQ-{n:03d}")
    amount_minor = 30_000
    currency = factory.SelfAttribute("firm.currency")
    requested_at = CREATED

    @factory.post_generation
    def orders(obj: PayoutRequest, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        is_live = obj.status in PayoutRequest.LIVE
        for order in extracted or ():
            PayoutRequestLine.objects.create(
                firm=obj.firm,
                request=obj,
                work_order=order,
                amount_minor=order.contractor_price_minor,
                is_live=is_live,
            )
        if not extracted:
            PayoutRequestLine.objects.create(
                firm=obj.firm,
                request=obj,
                description="Call-out",
                amount_minor=obj.amount_minor,
                is_live=is_live,
            )


class PayoutFactory(DjangoModelFactory[Payout]):
    class Meta:
        model = Payout

    request = factory.SubFactory(PayoutRequestFactory, status=PayoutRequest.Status.PAID)
    firm = factory.SelfAttribute("request.firm")
    amount_minor = factory.SelfAttribute("request.amount_minor")
    currency = factory.SelfAttribute("request.currency")
    paid_at = CREATED


class SummaryMarkFactory(DjangoModelFactory[SummaryMark]):
    class Meta:
        model = SummaryMark

    firm = factory.SubFactory(FirmFactory)
    reported_through = date(2025, 6, 1)
