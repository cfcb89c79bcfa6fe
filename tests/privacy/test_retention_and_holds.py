"""A legal hold …"""

from typing import Any

import pytest
import time_machine

from apps.core.watching import Watcher, watched_by
from apps.firms.models import Firm, LegalHold
from apps.leasing.models import LeaseParty
from apps.notifications.models import Notification
from apps.privacy import services
from tests.factories import (
    ContactFactory,
    FirmFactory,
    LeaseFactory,
    LegalHoldFactory,
    MembershipFactory,
)
from tests.privacy.expiring import (
    MAKE,
    NOW,
    TYPES,
    event,
    figures,
    is_there,
    message,
    policy,
    run,
    session,
)

pytestmark = pytest.mark.django_db

Subject = LegalHold.Subject


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory()
    return firm


def hold(firm: Firm, on: LegalHold.Subject, key: int) -> LegalHold:
    placed: LegalHold = LegalHoldFactory(firm=firm, subject_type=on, subject_id=key)
    return placed


def test_on_a_contact_keeps_their_messages_until_it_is_released(firm: Firm) -> None:
    policy(firm)
    ada = ContactFactory(firm=firm)
    held, free = message(firm, recipient_contact=ada), message(firm)
    placed = hold(firm, Subject.CONTACT, ada.pk)
    said = run()
    assert "  emails: 1 deleted, 1 held (before 2024-12-31)\n" in said
    assert "  Records processed: 1\n  Records held: 1\n" in said
    assert (is_there(held), is_there(free)) == (True, False)
    assert figures() == [("emails", 1, 1, 0)]
    services.release_hold(hold=placed, reason="Settled", actor=None, now=NOW)
    assert "  emails: 1 deleted, 0 held (before 2024-12-31)\n" in run()
    assert not is_there(held)
    assert figures() == [("emails", 2, 0, 0)]


@pytest.mark.parametrize("data_type", TYPES)
def test_on_the_whole_firm_keeps_everything(firm: Firm, data_type: str) -> None:
    neighbour = FirmFactory()
    rows = []
    for one in (firm, neighbour):
        policy(one, data_type)
        rows.append(MAKE[data_type](one))
    hold(firm, Subject.FIRM, firm.pk)
    assert "  Records processed: 1\n  Records held: 1\n" in run()
    assert [is_there(row) for row in rows] == [True, False]


def test_on_a_user_keeps_what_they_did_and_were_told_and_their_sessions(firm: Firm) -> None:
    user = MembershipFactory(firm=firm).user
    for data_type in ("emails", "audit_logs", "sessions"):
        policy(firm, data_type)
    told = message(firm, recipient_contact=None, recipient_user=user, recipient_key="user:1")
    rows = [
        told,
        event(firm, actor=user),
        event(firm, object_type="firms.user", object_id=str(user.pk)),
        session(firm, user=user),
    ]
    hold(firm, Subject.USER, user.pk)
    assert "Records processed: 0\n  Records held: 4\n" in run()
    assert all(map(is_there, rows))


def test_on_a_lease_keeps_the_messages_of_the_people_on_it(firm: Firm) -> None:
    policy(firm, "emails")
    policy(firm, "audit_logs")
    lease = LeaseFactory(unit__property__firm=firm)
    renter = ContactFactory(firm=firm)
    LeaseParty.objects.create(firm=firm, lease=lease, contact=renter)
    held = message(firm, recipient_contact=renter)
    done = event(firm, object_type="leasing.lease", object_id=str(lease.pk))
    other = message(firm)
    hold(firm, Subject.LEASE, lease.pk)
    run()
    assert [is_there(row) for row in (held, done, other)] == [True, True, False]


def test_of_another_firm_keeps_nothing_here(firm: Firm) -> None:
    policy(firm)
    row = message(firm)
    hold(FirmFactory(), Subject.CONTACT, row.recipient_contact_id)
    run()
    assert not is_there(row)


def test_says_in_a_dry_run_what_it_would_keep(firm: Firm) -> None:
    policy(firm)
    row = message(firm)
    hold(firm, Subject.CONTACT, row.recipient_contact_id)
    assert "  emails: 0 would be deleted, 1 held (before 2024-12-31)\n" in run(dry_run=True)


class PlacesAHold(Watcher):
    """Places a hold as soon as the run has begun with a firm."""

    def __init__(self, firm: Firm, key: int) -> None:
        self.firm, self.key = firm, key

    def between(self) -> None:
        if not LegalHold.objects.exists():
            hold(self.firm, Subject.CONTACT, self.key)


def test_placed_during_a_run_counts_from_the_next_batch(firm: Firm) -> None:
    policy(firm)
    held, free = message(firm), message(firm)
    watcher: Any = PlacesAHold(firm, held.recipient_contact_id)
    with time_machine.travel(NOW, tick=False), watched_by(watcher):
        services.execute_retention_policies()
    kept = Notification.objects.filter(emptied_at=None)
    assert [row.pk for row in kept] == [held.pk]
    assert not is_there(free)
