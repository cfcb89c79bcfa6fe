"""Papers that expire and jobs on which nothing happens, in phases."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.contrib.auth.hashers import make_password

from apps.contacts.models import Contact
from apps.core.batches import batched
from apps.fieldwork.models import ComplianceDocument, ContractorProfile, WorkOrder
from apps.firms.models import Firm, Membership, MembershipRole, Role, User
from benchmarks.phases.measuring import Figures, migrate
from benchmarks.phases.upkeep import NOW, TODAY
from benchmarks.world import make_firms


def world(size: int) -> Figures:
    """Migrate, and make ``size`` papers and as many jobs, spread over ten firms.

    Of a hundred papers 5 have expired lately, 10 come to expire soon, and 5 expire soon as
    was known. Of a hundred open jobs 5 are stale and 5 will be within a week.
    """
    migrate()
    firms = make_firms()
    for firm in firms:
        _hire(firm)
    for number, batch in enumerate(batched(range(size))):
        _contract(firms[number % len(firms)], batch)
    return {}


# ---- what there is ------------------------------------------------------------------------


def _hire(firm: Firm) -> None:
    """Make a facility manager, who is told of papers and has ordered the work."""
    password = make_password(None)
    user = User.objects.create(
        username=firm.slug, email=f"{firm.slug}@example.com", password=password
    )
    member = Membership.objects.create(firm=firm, user=user)
    MembershipRole.objects.create(firm=firm, membership=member, role=Role.FACILITY_MANAGER)


def _contract(firm: Firm, labels: Sequence[int]) -> None:
    """Make a contractor for each label, with a paper and a job."""
    contacts = Contact.objects.bulk_create(
        Contact(firm=firm, display_name=f"Contractor {n}", email=f"contractor{n}@example.com")
        for n in labels
    )
    contractors = ContractorProfile.objects.bulk_create(
        ContractorProfile(firm=firm, contact=contact) for contact in contacts
    )
    ComplianceDocument.objects.bulk_create(
        _paper(firm, contractor, n % 100)
        for n, contractor in zip(labels, contractors, strict=True)
    )
    manager = User.objects.get(username=firm.slug)
    WorkOrder.objects.bulk_create(
        WorkOrder(
            firm=firm,
            number=f"JOB-{n:06d}",
            title="Plumbing repair",
            status=WorkOrder.Status.ASSIGNED,
            contractor=contractor,
            created_by=manager,
            currency="USD",
            last_activity_at=NOW - timedelta(days=_idle(n % 100)),
        )
        for n, contractor in zip(labels, contractors, strict=True)
    )


def _paper(firm: Firm, contractor: ContractorProfile, of_a_hundred: int) -> ComplianceDocument:
    left, status = 200, ComplianceDocument.Status.VALID
    if of_a_hundred < 5:
        left = -1
    elif of_a_hundred < 15:
        left = 30
    elif of_a_hundred < 20:
        left, status = 20, ComplianceDocument.Status.EXPIRING_SOON
    return ComplianceDocument(
        firm=firm,
        contractor=contractor,
        doc_type="Liability insurance",
        issued_on=date(2024, 1, 1),
        expires_on=TODAY + timedelta(days=left),
        status=status,
    )


def _idle(of_a_hundred: int) -> int:
    if of_a_hundred < 5:
        return 95
    return 85 if of_a_hundred < 10 else 10
