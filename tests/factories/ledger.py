"""What customers owe and pay."""

from datetime import UTC, date, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from apps.billing.models import (
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAttempt,
    PaymentMethod,
)
from tests.factories.people import ContactFactory


class BillingAccountFactory(DjangoModelFactory[BillingAccount]):
    class Meta:
        model = BillingAccount

    firm = factory.SelfAttribute("contact.firm")
    contact = factory.SubFactory(ContactFactory)
    currency = "USD"


class InvoiceFactory(DjangoModelFactory[Invoice]):
    """A sent invoice with one line over its whole total (``total_minor``)."""

    class Meta:
        model = Invoice
        skip_postgeneration_save = True

    account = factory.SubFactory(BillingAccountFactory)
    firm = factory.SelfAttribute("account.firm")
    number = factory.Sequence(lambda n: f"TEST-{n:06d}")
    kind = Invoice.Kind.RENT
    currency = factory.SelfAttribute("account.currency")
    total_minor = 150_000
    subtotal_minor = factory.SelfAttribute("total_minor")
    status = Invoice.Status.SENT
    issue_date = date(2025, 2, 20)
    due_date = date(2025, 3, 1)
    contractual_due_date = factory.SelfAttribute("due_date")
    sent_at = datetime(2025, 2, 20, 12, tzinfo=UTC)

    @factory.post_generation
    def line(obj: Invoice, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        if obj.total_minor:
            InvoiceLine.objects.create(
                firm=obj.firm,
                invoice=obj,
                kind=InvoiceLine.Kind.RENT,
                description="Rent",
                unit_minor=obj.total_minor,
                amount_minor=obj.total_minor,
            )


class PaymentFactory(DjangoModelFactory[Payment]):
    """A payment that arrived and covers nothing; ``record_payment`` makes those that do."""

    class Meta:
        model = Payment

    account = factory.SubFactory(BillingAccountFactory)
    firm = factory.SelfAttribute("account.firm")
    currency = factory.SelfAttribute("account.currency")
    amount_minor = 150_000
    method = Payment.Method.BANK
    status = Payment.Status.SUCCEEDED
    effective_on = date(2025, 3, 1)
    initiated_at = datetime(2025, 3, 1, 12, tzinfo=UTC)


class PaymentMethodFactory(DjangoModelFactory[PaymentMethod]):
    """A card that can be charged; not yet its account's default."""

    class Meta:
        model = PaymentMethod

    account = factory.SubFactory(BillingAccountFactory)
    firm = factory.SelfAttribute("account.firm")
    provider = "stripe"
    provider_ref = factory.Sequence(lambda n: f"pm_factory_{n}")
    brand = "visa"
    last4 = "4242"
    exp_month = 12
    exp_year = 2034


class PaymentAttemptFactory(DjangoModelFactory[PaymentAttempt]):
    """An attempt to charge all that is open on an invoice; nobody has asked yet."""

    class Meta:
        model = PaymentAttempt

    invoice = factory.SubFactory(InvoiceFactory)
    firm = factory.SelfAttribute("invoice.firm")
    payment_method = factory.SubFactory(
        PaymentMethodFactory, account=factory.SelfAttribute("..invoice.account")
    )
    ordinal = 1
    idempotency_key = factory.Sequence(lambda n: f"autopay-factory-{n}")
    amount_minor = factory.SelfAttribute("invoice.open_minor")
    currency = factory.SelfAttribute("invoice.currency")
    requested_at = datetime(2025, 3, 1, 12, tzinfo=UTC)
