"""What is kept on record: the audit trail, the inbox, what reconciling found."""

from datetime import UTC, datetime

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from apps.audit.models import AuditEvent
from apps.core.fields import Secrets
from apps.discrepancies.models import Discrepancy, ReconciliationRun
from apps.webhooks.models import GatewayAccount, WebhookEvent
from tests.factories.people import FirmFactory


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
