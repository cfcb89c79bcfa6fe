"""What people ask of their data, what came of it, and what must be kept."""

from datetime import UTC, date, datetime

import factory
from factory.django import DjangoModelFactory

from apps.contacts.models import Tombstone
from apps.firms.models import LegalHold, RetentionPolicy
from apps.privacy.models import (
    DataExport,
    ErasureAction,
    ErasureRequest,
    ErasureStep,
    RetentionRun,
    StatutoryPeriod,
)
from tests.factories.people import FirmFactory, UserFactory


class RetentionPolicyFactory(DjangoModelFactory[RetentionPolicy]):
    """E-mails go after 90 days."""

    class Meta:
        model = RetentionPolicy

    firm = factory.SubFactory(FirmFactory)
    data_type = RetentionPolicy.DataType.EMAILS
    retention_days = 90


class RetentionRunFactory(DjangoModelFactory[RetentionRun]):
    class Meta:
        model = RetentionRun

    firm = factory.SubFactory(FirmFactory)
    data_type = RetentionPolicy.DataType.EMAILS
    action = RetentionPolicy.Action.DELETE
    cutoff = datetime(2025, 1, 1, 5, tzinfo=UTC)
    processed = 120
    held = 3
    ran_at = datetime(2025, 4, 1, 5, tzinfo=UTC)


class LegalHoldFactory(DjangoModelFactory[LegalHold]):
    """A hold in force; on the whole firm, unless the test says on what."""

    class Meta:
        model = LegalHold

    firm = factory.SubFactory(FirmFactory)
    subject_type = LegalHold.Subject.FIRM
    subject_id = factory.SelfAttribute("firm.pk")
    reason = "Case 12/2025"
    placed_at = datetime(2025, 1, 1, tzinfo=UTC)


class TombstoneFactory(DjangoModelFactory[Tombstone]):
    class Meta:
        model = Tombstone

    firm = factory.SubFactory(FirmFactory)
    kind = Tombstone.Kind.EMAIL
    digest = factory.Sequence(lambda n: f"{n:064x}")
    erased_at = datetime(2025, 1, 1, tzinfo=UTC)


class StatutoryPeriodFactory(DjangoModelFactory[StatutoryPeriod]):
    """Ten years, wherever no country is named."""

    class Meta:
        model = StatutoryPeriod
        django_get_or_create = ("country",)

    country = ""
    years = 10
    source = "Nobody has looked yet"


class ErasureRequestFactory(DjangoModelFactory[ErasureRequest]):
    """An approved request to be erased everywhere, under the GDPR, of 31 January 2025."""

    class Meta:
        model = ErasureRequest

    user = factory.SubFactory(UserFactory)
    status = ErasureRequest.Status.APPROVED
    received_on = date(2025, 1, 31)
    due_on = date(2025, 2, 28)
    verified_by = factory.SubFactory(UserFactory)
    verified_at = datetime(2025, 2, 1, 12, tzinfo=UTC)
    approved_by = factory.SubFactory(UserFactory)
    approved_at = datetime(2025, 2, 3, 12, tzinfo=UTC)


class ErasureActionFactory(DjangoModelFactory[ErasureAction]):
    class Meta:
        model = ErasureAction

    request = factory.SubFactory(ErasureRequestFactory)
    firm = factory.SelfAttribute("request.firm")
    category = "notifications"
    decision = ErasureAction.Decision.ERASED
    rows = 214


class ErasureStepFactory(DjangoModelFactory[ErasureStep]):
    class Meta:
        model = ErasureStep

    request = factory.SubFactory(ErasureRequestFactory)
    firm = factory.SelfAttribute("request.firm")
    kind = "stripe_customer"
    key = factory.Sequence(lambda n: f"cus_{n}")
    next_attempt_at = datetime(2025, 2, 3, 12, tzinfo=UTC)


class DataExportFactory(DjangoModelFactory[DataExport]):
    """An export of what all firms hold, under the GDPR, asked for on 31 January 2025."""

    class Meta:
        model = DataExport

    user = factory.SubFactory(UserFactory)
    received_on = date(2025, 1, 31)
    due_on = date(2025, 2, 28)
    made_at = datetime(2025, 2, 3, 2, 30, tzinfo=UTC)
    path = factory.LazyAttribute(
        lambda o: f"/exports/user_{o.user.pk}_export_{o.made_at:%Y%m%dT%H%M%SZ}.zip"
    )
    size_bytes = 12_345
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    categories = 14
    records = 3_456
