"""What has to be settled before somebody can be erased; nothing is written until then."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine

from apps.billing.models import BillingAccount, Invoice
from apps.contacts.models import Contact
from apps.firms.models import Firm, MembershipRole, Role
from apps.leasing.models import LeaseParty
from tests.factories import (
    BillingAccountFactory,
    ContactFactory,
    EngagementFactory,
    InvoiceFactory,
    LeaseFactory,
    LegalHoldFactory,
    MembershipFactory,
    PaymentAttemptFactory,
    PaymentFactory,
    UnitFactory,
)
from tests.privacy.erasing import (
    NOW,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    request_of,
)
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def bob() -> Contact:
    return bob_of(a_firm())


def account(bob: Contact, **how: Any) -> BillingAccount:
    made: BillingAccount = BillingAccountFactory(contact=bob, **how)
    return made


def a_dollar_open(bob: Contact) -> str:
    InvoiceFactory(account=account(bob), number="INV-1", total_minor=100)
    return "INV-1 is still open ($1.00)"


def in_dispute(bob: Contact) -> str:
    InvoiceFactory(
        account=account(bob), number="INV-2", status="paid", paid_minor=150_000, in_dispute=True
    )
    return "INV-2 is in dispute"


def payment_disputed(bob: Contact) -> str:
    PaymentFactory(account=account(bob), status="disputed")
    return "the payment of $1500.00 on 2025-03-01 is in dispute"


def payment_pending(bob: Contact) -> str:
    PaymentFactory(account=account(bob), status="pending")
    return "the payment of $1500.00 on 2025-03-01 is under way"


def charge_under_way(bob: Contact) -> str:
    invoice = InvoiceFactory(
        account=account(bob), number="INV-3", status="paid", paid_minor=150_000
    )
    PaymentAttemptFactory(invoice=invoice, amount_minor=5, status="unknown")
    return "attempt 1 for INV-3 is under way"


def credit_left(bob: Contact) -> str:
    account(bob, credit_minor=600_000)
    return "credit of $6000.00 has not been given back"


def living_lease(bob: Contact) -> str:
    lease = LeaseFactory(unit=UnitFactory(property__firm=bob.firm, label="A"))
    LeaseParty.objects.create(firm=bob.firm, lease=lease, contact=bob, role="guarantor")
    return f"Lease {lease.pk} ({lease.unit}) is active"


def under_notice(bob: Contact) -> str:
    lease = LeaseFactory(
        unit=UnitFactory(property__firm=bob.firm), account=account(bob), status="notice"
    )
    return f"Lease {lease.pk} ({lease.unit}) is under notice"


def active_engagement(bob: Contact) -> str:
    engagement = EngagementFactory(account=account(bob))
    return f"engagement {engagement.pk} is active"


def whole_firm_held(bob: Contact) -> str:
    LegalHoldFactory(firm=bob.firm)
    return "the whole firm is under a legal hold"


EACH = [
    *(a_dollar_open, in_dispute, payment_disputed, payment_pending, charge_under_way),
    *(credit_left, living_lease, under_notice, active_engagement, whole_firm_held),
]


@pytest.mark.parametrize("owe", EACH, ids=lambda owe: owe.__name__)
def test_blocks_and_changes_nothing_but_the_request(
    bob: Contact, owe: Callable[[Contact], str]
) -> None:
    reason = owe(bob)
    request = request_of(bob)
    before = every_row()
    assert execute(request) == (
        f"Erasure request {request.pk} for contact {bob.pk}\n"
        f"  ⚠ Blocked: {reason}\n"
        f"Erasure request {request.pk} is blocked by 1 thing to settle.\n"
    )
    assert changed(before, every_row()) == ["privacy_erasurerequest"]
    assert (request.status, request.blocked_by) == ("blocked", [reason])
    before = every_row()
    assert f"⚠ Blocked: {reason}" in execute(request)
    assert "  ⚠ Blocked: " in execute()
    assert changed(before, every_row()) == []


@pytest.mark.parametrize("owe", EACH, ids=lambda owe: owe.__name__)
def test_a_neighbours_debt_blocks_nobody(bob: Contact, owe: Callable[[Contact], str]) -> None:
    owe(bob_of(a_firm("Birch")))
    owe_nothing = ContactFactory(firm=bob.firm, display_name="Alice Adams")
    if owe is not whole_firm_held:
        owe(owe_nothing)
    assert "Erasure completed" in execute(request_of(bob))


def test_a_dry_run_says_what_blocks_and_writes_nothing(bob: Contact) -> None:
    a_dollar_open(bob)
    credit_left(ContactFactory(firm=bob.firm))
    request = request_of(bob)
    before = every_row()
    assert execute(request, dry_run=True).endswith(
        "  ⚠ Blocked: INV-1 is still open ($1.00)\n"
        f"Erasure request {request.pk} would be blocked by 1 thing to settle.\n"
    )
    assert changed(before, every_row()) == []


def test_goes_on_by_itself_once_it_is_settled(bob: Contact) -> None:
    a_dollar_open(bob)
    request = request_of(bob)
    execute(request)
    Invoice.objects.update(status="paid", paid_minor=100)
    assert execute().endswith("Erasure completed: 0 erased, 1 anonymised, 2 retained.\n")
    request.refresh_from_db()
    assert (request.status, request.blocked_by) == ("completed", [])


def test_a_firm_is_not_left_without_an_owner() -> None:
    firm = a_firm()
    user = firm.memberships.get().user
    request = request_of(firm=firm, user=user)
    assert "⚠ Blocked: the firm would be left without an owner\n" in execute(request)
    other = MembershipFactory(firm=firm)
    role = MembershipRole.objects.create(firm=firm, membership=other, role=Role.OWNER)
    assert "Erasure completed" in execute(request)
    assert role.membership.user.is_active


def test_what_one_firm_has_to_settle_blocks_an_erasure_everywhere(bob: Contact) -> None:
    other = bob_of(a_firm("Birch"))
    user = account_of_bob()
    Contact.objects.filter(pk__in=[bob.pk, other.pk]).update(user=user)
    furnish(bob)
    a_dollar_open(other)
    request = request_of(user=user)
    before = every_row()
    assert "⚠ Blocked: INV-1 is still open ($1.00)" in execute(request)
    assert changed(before, every_row()) == ["privacy_erasurerequest"]


def test_what_turns_up_in_the_middle_blocks_the_rest_only(bob: Contact) -> None:
    """A request that has begun in one firm, when a debt turns up in the other."""
    firm = Firm.objects.get(pk=bob.firm_id)
    other = bob_of(a_firm("Birch"))
    user = account_of_bob()
    Contact.objects.filter(pk__in=[bob.pk, other.pk]).update(user=user)
    request = request_of(user=user)
    LegalHoldFactory(firm=firm, subject_type="firms.user", subject_id=user.pk)
    execute(request)  # done everywhere, held here
    assert request.status == "partially_completed"
    firm.legal_holds.update(released_at=NOW)
    a_dollar_open(bob)
    assert "⚠ Blocked: INV-1 is still open ($1.00)" in execute(request)
    assert request.status == "partially_completed"
    Invoice.objects.update(status="paid", paid_minor=100)
    assert "Erasure completed" in execute(request)
