"""Rows to test with: the least that makes sense, everything else said by the test."""

from tests.factories.documents import DocumentFactory
from tests.factories.engagements import EngagementFactory, EngagementPeriodFactory
from tests.factories.leasing import (
    AssessmentFactory,
    BillingConfigFactory,
    LeaseFactory,
    PropertyFactory,
    RentPeriodFactory,
    RewardConfigurationFactory,
    RewardGrantFactory,
    UnitFactory,
)
from tests.factories.ledger import (
    BillingAccountFactory,
    InvoiceFactory,
    PaymentAttemptFactory,
    PaymentFactory,
    PaymentMethodFactory,
)
from tests.factories.messages import (
    DeliveryFactory,
    NotificationFactory,
    NotificationGroupFactory,
    SmsConsentFactory,
    SuppressionFactory,
)
from tests.factories.people import (
    PASSWORD,
    ContactFactory,
    FirmFactory,
    FirmSettingsFactory,
    MembershipFactory,
    UserFactory,
)
from tests.factories.records import (
    AuditEventFactory,
    DiscrepancyFactory,
    GatewayAccountFactory,
    ReconciliationRunFactory,
    WebhookEventFactory,
)
from tests.factories.subscriptions import PaymentOrderFactory, PlanFactory, SubscriptionFactory

__all__ = [
    "PASSWORD",
    "AssessmentFactory",
    "AuditEventFactory",
    "BillingAccountFactory",
    "BillingConfigFactory",
    "ContactFactory",
    "DeliveryFactory",
    "DiscrepancyFactory",
    "DocumentFactory",
    "EngagementFactory",
    "EngagementPeriodFactory",
    "FirmFactory",
    "FirmSettingsFactory",
    "GatewayAccountFactory",
    "InvoiceFactory",
    "LeaseFactory",
    "MembershipFactory",
    "NotificationFactory",
    "NotificationGroupFactory",
    "PaymentAttemptFactory",
    "PaymentFactory",
    "PaymentMethodFactory",
    "PaymentOrderFactory",
    "PlanFactory",
    "PropertyFactory",
    "ReconciliationRunFactory",
    "RentPeriodFactory",
    "RewardConfigurationFactory",
    "RewardGrantFactory",
    "SmsConsentFactory",
    "SubscriptionFactory",
    "SuppressionFactory",
    "UnitFactory",
    "UserFactory",
    "WebhookEventFactory",
]
