"""A lease … (spec B3: never two living ones on a unit, pending until everybody signed)."""

from datetime import UTC, date, datetime

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.documents.services import request_signature, sign
from apps.leasing.models import Lease, Unit
from apps.leasing.services.leases import UnitTaken, activate_lease, check_unit_free, end_lease
from tests.factories import ContactFactory, DocumentFactory, LeaseFactory, UserFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def test_comes_into_force_on_a_free_unit() -> None:
    lease, boss = LeaseFactory(status=Lease.Status.DRAFT), UserFactory()
    activate_lease(lease=lease, actor=boss)
    lease.refresh_from_db()
    assert lease.status == "active"
    assert Unit.objects.get(pk=lease.unit_id).status == "occupied"
    assert AuditEvent.objects.get().action == "lease_active"


@pytest.mark.parametrize(
    ("start", "end", "free"),
    [
        (date(2025, 7, 1), None, True),
        (date(2025, 6, 30), None, False),
        (date(2024, 1, 1), date(2024, 12, 31), True),
        (date(2024, 1, 1), date(2025, 1, 1), False),
    ],
)
def test_never_overlaps_another_on_its_unit(start: date, end: date | None, free: bool) -> None:
    there = LeaseFactory(start_date=date(2025, 1, 1), end_date=date(2025, 6, 30))
    new = LeaseFactory(
        unit=there.unit, start_date=start, end_date=end, status=Lease.Status.DRAFT
    )
    if free:
        check_unit_free(new)
        return
    with pytest.raises(UnitTaken, match=f"is let under lease {there.pk} from 2025-01-01"):
        activate_lease(lease=new)


@pytest.mark.postgres
def test_is_refused_by_the_database_itself_when_it_overlaps() -> None:
    there = LeaseFactory()
    with pytest.raises(IntegrityError, match="leasing_lease_no_overlap"), transaction.atomic():
        LeaseFactory(unit=there.unit)


def test_waits_until_everybody_has_signed() -> None:
    lease = LeaseFactory(status=Lease.Status.PENDING_SIGNATURE)
    lease.agreement = DocumentFactory(firm=lease.firm)
    lease.save()
    agreement = lease.agreement
    requests = [
        request_signature(document=agreement, signer=one, requested_by=None, now=NOW)[0]
        for one in (lease.account.contact, ContactFactory(firm=lease.firm))
    ]
    sign(request=requests[0], name="Ada", now=NOW)
    with pytest.raises(Problem, match="is not signed by everybody yet"):
        activate_lease(lease=lease)
    sign(request=requests[1], name="Bob", now=NOW)
    activate_lease(lease=lease)
    assert lease.status == "active"


def test_leaves_a_vacant_unit_when_it_ends() -> None:
    lease = LeaseFactory(end_date=date(2025, 3, 31))
    end_lease(lease=lease)
    assert Unit.objects.get(pk=lease.unit_id).status == "vacant"
    with pytest.raises(Problem, match="is ended"):
        end_lease(lease=lease)
