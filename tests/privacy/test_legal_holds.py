"""Placing and releasing a legal hold."""

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.firms.models import Firm, LegalHold, User
from apps.privacy import services
from tests.factories import (
    ContactFactory,
    DocumentFactory,
    FirmFactory,
    LeaseFactory,
    LegalHoldFactory,
    MembershipFactory,
)
from tests.privacy.expiring import NOW

pytestmark = pytest.mark.django_db

Subject = LegalHold.Subject


@pytest.fixture
def firm() -> Firm:
    firm: Firm = FirmFactory(name="Acme")
    return firm


@pytest.fixture
def owner(firm: Firm) -> User:
    owner: User = MembershipFactory(firm=firm, roles=["owner"]).user
    return owner


def place(firm: Firm, on: LegalHold.Subject, key: int, actor: User | None = None) -> LegalHold:
    hold = LegalHold(firm=firm, subject_type=on, subject_id=key, reason="Case 7")
    services.place_hold(hold=hold, actor=actor, now=NOW)
    return hold


def subject(kind: LegalHold.Subject, firm: Firm) -> int:
    """Return the key of something of that kind in a firm."""
    if kind == Subject.FIRM:
        return firm.pk
    if kind == Subject.USER:
        return int(MembershipFactory(firm=firm).user_id)
    if kind == Subject.LEASE:
        return int(LeaseFactory(unit__property__firm=firm).pk)
    make = {Subject.CONTACT: ContactFactory, Subject.DOCUMENT: DocumentFactory}[kind]
    return int(make(firm=firm).pk)


every_kind = pytest.mark.parametrize("kind", Subject)


@every_kind
def test_places_a_hold_and_writes_down_who_and_why(
    firm: Firm, owner: User, kind: LegalHold.Subject
) -> None:
    key = subject(kind, firm)
    hold = place(firm, kind, key, owner)
    assert (hold.firm, hold.subject_type, hold.subject_id) == (firm, kind, key)
    assert (hold.reason, hold.placed_by, hold.placed_at) == ("Case 7", owner, NOW)
    [done] = AuditEvent.objects.filter(object_type="firms.legalhold", object_id=str(hold.pk))
    assert (done.action, done.actor, done.reason) == ("legal_hold_placed", owner, "Case 7")
    assert (done.firm, done.changes) == (firm, {"subject": f"{kind} {key}"})


@every_kind
def test_refuses_what_the_firm_does_not_have(firm: Firm, kind: LegalHold.Subject) -> None:
    key = subject(kind, FirmFactory())
    with pytest.raises(Problem, match=r"^Acme has no such subject: .+\.$"):
        place(firm, kind, key)
    assert not LegalHold.objects.exists()


def test_refuses_a_second_hold_on_the_same(firm: Firm) -> None:
    key = subject(Subject.CONTACT, firm)
    place(firm, Subject.CONTACT, key)
    with pytest.raises(Problem, match=rf"^There is a hold on contact {key} already\.$"):
        place(firm, Subject.CONTACT, key)
    assert LegalHold.objects.count() == AuditEvent.objects.count() == 1


def test_releases_a_hold_and_writes_down_who_and_why(firm: Firm, owner: User) -> None:
    hold = LegalHoldFactory(firm=firm)
    services.release_hold(hold=hold, reason="Settled", actor=owner, now=NOW)
    hold.refresh_from_db()
    assert (hold.released_by, hold.released_at) == (owner, NOW)
    done = AuditEvent.objects.get()
    assert (done.action, done.actor, done.reason) == ("legal_hold_released", owner, "Settled")


def test_releases_a_hold_once(firm: Firm) -> None:
    hold = LegalHoldFactory(firm=firm, released_at=NOW)
    text = r"^The hold on the whole firm has been released already\.$"
    with pytest.raises(Problem, match=text):
        services.release_hold(hold=hold, reason="Again", actor=None, now=NOW)
    assert not AuditEvent.objects.exists()


def test_holds_again_what_was_released(firm: Firm) -> None:
    LegalHoldFactory(firm=firm, released_at=NOW)
    place(firm, Subject.FIRM, firm.pk)
    assert LegalHold.objects.filter(released_at=None).count() == 1
