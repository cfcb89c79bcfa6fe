"""Rows to test with: the least that makes sense, everything else said by the test."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import factory
from django.contrib.auth.hashers import make_password
from django.utils import timezone
from factory.django import DjangoModelFactory

from apps.audit.models import AuditEvent
from apps.billing.models import (
    BillingAccount,
    Invoice,
    InvoiceLine,
    Payment,
    PaymentAttempt,
    PaymentMethod,
)
from apps.contacts.models import Contact
from apps.core.fields import Secrets
from apps.discrepancies.models import Discrepancy, ReconciliationRun
from apps.documents.models import Document, fingerprint
from apps.engagements.models import Engagement, EngagementPeriod
from apps.firms.models import Firm, FirmSettings, Membership, MembershipRole, Role, User
from apps.leasing.models import (
    LateFeeAssessment,
    Lease,
    LeaseParty,
    Property,
    PropertyBillingConfig,
    RentPeriod,
    RewardConfiguration,
    RewardGrant,
    Unit,
)
from apps.notifications.models import (
    Delivery,
    Notification,
    NotificationGroup,
    NotificationPreference,
    Suppression,
)
from apps.subscriptions.models import PaymentOrder, Plan, Subscription
from apps.webhooks.models import GatewayAccount, WebhookEvent

PASSWORD = "correct-horse-battery"


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda o: f"{o.username}@example.com")
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


class FirmFactory(DjangoModelFactory[Firm]):
    class Meta:
        model = Firm
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Firm {n}")
    slug = factory.Sequence(lambda n: f"firm-{n}")
    status = Firm.Status.ACTIVE
    timezone = "America/New_York"
    currency = "USD"
    settings = factory.RelatedFactory(
        "tests.factories.FirmSettingsFactory", factory_related_name="firm"
    )


class FirmSettingsFactory(DjangoModelFactory[FirmSettings]):
    class Meta:
        model = FirmSettings


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership
        skip_postgeneration_save = True

    firm = factory.SubFactory(FirmFactory)
    user = factory.SubFactory(UserFactory, is_staff=True)

    @factory.post_generation
    def roles(obj: Membership, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        for role in extracted or [Role.ADMIN]:
            MembershipRole.objects.create(firm=obj.firm, membership=obj, role=role)


class ContactFactory(DjangoModelFactory[Contact]):
    class Meta:
        model = Contact

    firm = factory.SubFactory(FirmFactory)
    display_name = factory.Sequence(lambda n: f"Contact {n}")
    email = factory.Sequence(lambda n: f"contact{n}@example.com")


class SmsConsentFactory(DjangoModelFactory[NotificationPreference]):
    """``SmsConsentFactory(firm=…, recipient_key=f"contact:{contact.pk}")``."""

    class Meta:
        model = NotificationPreference

    channel = "sms"
    wanted = True


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


class PropertyFactory(DjangoModelFactory[Property]):
    class Meta:
        model = Property

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Property {n}")
    timezone = "America/New_York"
    currency = "USD"


class UnitFactory(DjangoModelFactory[Unit]):
    class Meta:
        model = Unit

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")
    label = factory.Sequence(lambda n: f"{n}")
    status = Unit.Status.OCCUPIED


class LeaseFactory(DjangoModelFactory[Lease]):
    """An active lease over $1500.00 due on the 1st, with one primary renter."""

    class Meta:
        model = Lease
        skip_postgeneration_save = True

    unit = factory.SubFactory(UnitFactory)
    firm = factory.SelfAttribute("unit.firm")
    currency = factory.SelfAttribute("unit.property.currency")
    account = factory.SubFactory(
        BillingAccountFactory,
        contact=factory.SubFactory(ContactFactory, firm=factory.SelfAttribute("...firm")),
        currency=factory.SelfAttribute("..currency"),
    )
    status = Lease.Status.ACTIVE
    start_date = date(2024, 1, 1)
    rent_minor = 150_000
    due_day = 1

    @factory.post_generation
    def renter(obj: Lease, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805
        LeaseParty.objects.create(
            firm=obj.firm, lease=obj, contact=extracted or obj.account.contact
        )


class BillingConfigFactory(DjangoModelFactory[PropertyBillingConfig]):
    """A property's terms from 2000 on: by default a flat fee of $50.00 after 5 days."""

    class Meta:
        model = PropertyBillingConfig

    property = factory.SubFactory(PropertyFactory)
    firm = factory.SelfAttribute("property.firm")
    effective_from = date(2000, 1, 1)
    grace_days = 5
    late_fee_type = PropertyBillingConfig.LateFee.FLAT
    late_fee_minor = 5_000


class DocumentFactory(DjangoModelFactory[Document]):
    class Meta:
        model = Document

    firm = factory.SubFactory(FirmFactory)
    title = "Residential lease"
    text = "The renter rents the unit."
    sha256 = factory.LazyAttribute(lambda o: fingerprint(o.text))


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


class EngagementFactory(DjangoModelFactory[Engagement]):
    """An active engagement over $1000.00 a month, in advance, from 1 January 2025."""

    class Meta:
        model = Engagement

    account = factory.SubFactory(BillingAccountFactory)
    firm = factory.SelfAttribute("account.firm")
    name = factory.Sequence(lambda n: f"Engagement {n}")
    status = Engagement.Status.ACTIVE
    pricing_mode = Engagement.PricingMode.PACKAGE
    package_fee_minor = 100_000
    currency = factory.SelfAttribute("account.currency")
    start_date = date(2025, 1, 1)
    bill_from = factory.SelfAttribute("start_date")


class EngagementPeriodFactory(DjangoModelFactory[EngagementPeriod]):
    """The claim on January 2025 of an engagement, with its invoice."""

    class Meta:
        model = EngagementPeriod

    engagement = factory.SubFactory(EngagementFactory)
    firm = factory.SelfAttribute("engagement.firm")
    period_start = date(2025, 1, 1)
    period_end = date(2025, 2, 1)
    invoice = factory.SubFactory(
        InvoiceFactory, account=factory.SelfAttribute("..engagement.account")
    )


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


class RentPeriodFactory(DjangoModelFactory[RentPeriod]):
    """The claim on March 2025 of a lease, with its invoice."""

    class Meta:
        model = RentPeriod

    lease = factory.SubFactory(LeaseFactory)
    firm = factory.SelfAttribute("lease.firm")
    period_start = date(2025, 3, 1)
    period_end = date(2025, 4, 1)
    invoice = factory.SubFactory(
        InvoiceFactory, account=factory.SelfAttribute("..lease.account")
    )


class AssessmentFactory(DjangoModelFactory[LateFeeAssessment]):
    """A fee on record; without its line on the invoice, which ``apply_late_fees`` makes."""

    class Meta:
        model = LateFeeAssessment

    invoice = factory.SubFactory(InvoiceFactory)
    firm = factory.SelfAttribute("invoice.firm")
    assessment_key = "initial"
    assessed_on = date(2025, 3, 7)
    base_minor = 150_000
    fee_minor = 5_000


class RewardConfigurationFactory(DjangoModelFactory[RewardConfiguration]):
    class Meta:
        model = RewardConfiguration

    firm = factory.SubFactory(FirmFactory)
    kind = RewardConfiguration.Kind.STREAK
    currency = "USD"
    amount_minor = 2_500
    threshold = 6
    starts_on = date(2024, 1, 1)


class RewardGrantFactory(DjangoModelFactory[RewardGrant]):
    class Meta:
        model = RewardGrant

    contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("contact.firm")
    configuration = factory.SubFactory(
        RewardConfigurationFactory, firm=factory.SelfAttribute("..firm")
    )
    qualifying_key = factory.Sequence(lambda n: f"streak:{n}")
    covers_from = date(2024, 9, 1)
    covers_to = date(2025, 2, 1)
    amount_minor = 2_500
    currency = "USD"


class NotificationFactory(DjangoModelFactory[Notification]):
    class Meta:
        model = Notification

    recipient_contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("recipient_contact.firm")
    recipient_key = factory.LazyAttribute(lambda o: f"contact:{o.recipient_contact.pk}")
    type = "invoice_issued"
    dedupe_key = factory.Sequence(lambda n: f"invoice-issued:{n}")


class DeliveryFactory(DjangoModelFactory[Delivery]):
    class Meta:
        model = Delivery

    notification = factory.SubFactory(NotificationFactory)
    firm = factory.SelfAttribute("notification.firm")
    channel = "email"


class SuppressionFactory(DjangoModelFactory[Suppression]):
    class Meta:
        model = Suppression

    firm = factory.SubFactory(FirmFactory)
    channel = "email"
    address_hash = factory.Sequence(lambda n: f"{n:064x}")
    reason = Suppression.Reason.HARD_BOUNCE


class NotificationGroupFactory(DjangoModelFactory[NotificationGroup]):
    class Meta:
        model = NotificationGroup

    firm = factory.SubFactory(FirmFactory)
    name = factory.Sequence(lambda n: f"Group {n}")


class AuditEventFactory(DjangoModelFactory[AuditEvent]):
    class Meta:
        model = AuditEvent

    firm = factory.SubFactory(FirmFactory)
    actor_label = "system"
    action = "late_fee_applied"
    object_type = "leasing.latefeeassessment"
    object_id = factory.Sequence(str)


class GatewayAccountFactory(DjangoModelFactory[GatewayAccount]):
    """A firm's test account at Stripe; ``firm=None`` and ``provider="bog"`` the platform's."""

    class Meta:
        model = GatewayAccount

    firm = factory.SubFactory(FirmFactory)
    provider = "stripe"
    credentials = factory.LazyFunction(
        lambda: Secrets(secret_key="sk_test_factory", webhook_secret="whsec_factory")
    )


class WebhookEventFactory(DjangoModelFactory[WebhookEvent]):
    """An event of a firm's Stripe account that has just come."""

    class Meta:
        model = WebhookEvent

    firm = factory.SubFactory(FirmFactory)
    provider = "stripe"
    account_key = "00000000-0000-4000-8000-000000000000"
    event_id = factory.Sequence(lambda n: f"evt_{n}")
    type = "payment_intent.succeeded"
    raw_body = b"{}"
    received_at = factory.LazyFunction(timezone.now)
    next_attempt_at = factory.SelfAttribute("received_at")


class DiscrepancyFactory(DjangoModelFactory[Discrepancy]):
    """An open issue: an invoice is paid at Stripe and not here."""

    class Meta:
        model = Discrepancy

    firm = factory.SubFactory(FirmFactory)
    source = "stripe"
    kind = "remote_paid_local_unpaid"
    subject_key = factory.Sequence(lambda n: f"pi_{n}")
    label = "INV-2025-003"
    remote_state = "paid in Stripe ($2500.00)"
    local_state = "local status is overdue"
    first_seen_at = datetime(2025, 6, 10, 2, 30, tzinfo=UTC)
    last_seen_at = factory.SelfAttribute("first_seen_at")


class ReconciliationRunFactory(DjangoModelFactory[ReconciliationRun]):
    """A complete comparison with Stripe that found nothing."""

    class Meta:
        model = ReconciliationRun

    firm = factory.SubFactory(FirmFactory)
    source = "stripe"
    started_at = datetime(2025, 6, 10, 2, 30, tzinfo=UTC)
    since = datetime(2025, 5, 6, 2, 30, tzinfo=UTC)
    complete = True


class PlanFactory(DjangoModelFactory[Plan]):
    """59.00 GEL for 30 days."""

    class Meta:
        model = Plan

    code = factory.Sequence(lambda n: f"plan-{n}")
    name = "Professional"
    price_minor = 5_900
    currency = "GEL"


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    """Active until 13 June 2025, of a firm in Tbilisi."""

    class Meta:
        model = Subscription

    firm = factory.SubFactory(FirmFactory, timezone="Asia/Tbilisi", currency="GEL")
    plan = factory.SubFactory(PlanFactory)
    status = Subscription.Status.ACTIVE
    started_on = date(2025, 5, 14)
    expires_on = date(2025, 6, 13)


class PaymentOrderFactory(DjangoModelFactory[PaymentOrder]):
    """The completed first payment, which saved the card that pays the renewals."""

    class Meta:
        model = PaymentOrder

    subscription = factory.SubFactory(SubscriptionFactory)
    firm = factory.SelfAttribute("subscription.firm")
    kind = PaymentOrder.Kind.INITIAL
    external_order_id = factory.Sequence(lambda n: f"first-{n}")
    bog_order_id = factory.Sequence(lambda n: f"bog-{n}")
    amount_minor = factory.SelfAttribute("subscription.plan.price_minor")
    currency = factory.SelfAttribute("subscription.plan.currency")
    days = factory.SelfAttribute("subscription.plan.period_count")
    status = PaymentOrder.Status.COMPLETED
    card_saved = True
    card_mask = "412345xxxxxx0100"
    idempotency_key = factory.LazyFunction(uuid4)
    requested_at = datetime(2025, 5, 14, 12, tzinfo=UTC)
    resolved_at = factory.SelfAttribute("requested_at")
    applied_at = factory.SelfAttribute("requested_at")
