"""The life of a request to be erased, and that no one person leads it alone."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact
from apps.core.problems import Problem
from apps.firms.models import Firm, User
from apps.privacy.models import ErasureRequest
from apps.privacy.models.law import Law
from apps.privacy.services import (
    approve_request,
    cancel_request,
    extend_request,
    order_execution,
    receive_request,
    reject_request,
    verify_request,
)
from tests.factories import (
    ContactFactory,
    ErasureRequestFactory,
    MembershipFactory,
    UserFactory,
)
from tests.privacy.erasing import EMAIL, NAME, a_firm, account_of_bob, bob_of

pytestmark = pytest.mark.django_db

NOW = datetime(2025, 2, 10, 12, tzinfo=UTC)
DAY = date(2025, 1, 31)


@pytest.fixture
def firm() -> Firm:
    return a_firm()


@pytest.fixture
def clerk() -> User:
    return UserFactory(username="clerk")


@pytest.fixture
def boss() -> User:
    return UserFactory(username="boss")


@pytest.fixture
def bob(firm: Firm) -> Contact:
    return bob_of(firm)


def receive(by: User, **whom: Any) -> ErasureRequest:
    told: dict[str, Any] = {"user": None, "contact": None, "firm": None, "law": Law.GDPR}
    return receive_request(**(told | whom), received_on=DAY, by=by)


def events() -> list[tuple[str, int | None, Any, str]]:
    return list(
        AuditEvent.objects.order_by("pk").values_list("action", "actor", "changes", "reason")
    )


def refused(act: Callable[[], object]) -> str:
    before = (list(ErasureRequest.objects.values()), events())
    with pytest.raises(Problem) as raised:
        act()
    assert (list(ErasureRequest.objects.values()), events()) == before
    return str(raised.value)


# ---- from the day on which it is asked -------------------------------------------------------


def test_a_request_is_received_verified_and_approved_by_two_people(
    bob: Contact, clerk: User, boss: User
) -> None:
    request = receive(clerk, contact=bob, firm=bob.firm)
    assert (request.status, request.due_on) == ("received", date(2025, 2, 28))
    verify_request(request=request, how="Called back", by=clerk, now=NOW)
    request.refresh_from_db()
    approve_request(request=request, by=boss, now=NOW)
    request.refresh_from_db()
    assert (request.status, request.verified_by, request.approved_by) == (
        "approved", clerk, boss
    )  # fmt: skip
    assert events() == [
        ("erasure_received", clerk.pk,
         {"of": f"contact {bob.pk}", "law": "gdpr", "due_on": "2025-02-28"}, ""),
        ("erasure_verified", clerk.pk, {"status": ["received", "verified"]}, "Called back"),
        ("erasure_approved", boss.pk, {"status": ["verified", "approved"]}, ""),
    ]  # fmt: skip


def test_whoever_verified_does_not_approve(bob: Contact, clerk: User) -> None:
    request = receive(clerk, contact=bob, firm=bob.firm)
    verify_request(request=request, how="Called back", by=clerk, now=NOW)
    request.refresh_from_db()
    assert refused(lambda: approve_request(request=request, by=clerk, now=NOW)) == (
        "Whoever confirmed the identity cannot approve it, too."
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        ErasureRequest.objects.update(approved_by=clerk)


@pytest.mark.parametrize("act", ["verify", "approve", "reject"])
def test_nobody_decides_about_their_own(firm: Firm, boss: User, act: str) -> None:
    bob = account_of_bob()
    MembershipFactory(firm=firm, user=bob)
    status = "received" if act == "verify" else "verified"
    request = ErasureRequestFactory(
        firm=firm, user=bob, status=status, verified_by=boss, approved_by=None
    )
    acts = {
        "verify": lambda: verify_request(request=request, how="x", by=bob, now=NOW),
        "approve": lambda: approve_request(request=request, by=bob, now=NOW),
        "reject": lambda: reject_request(request=request, reason="x", by=bob, now=NOW),
    }
    assert refused(acts[act]) == "Nobody decides about their own request."


@pytest.mark.parametrize(
    ("status", "act", "says"),
    [
        ("verified", "verify", "is verified"),
        ("received", "approve", "is received"),
        ("approved", "approve", "is approved"),
        ("in_progress", "reject", "is in progress"),
        ("completed", "cancel", "is completed"),
        ("received", "order", "is received"),
        ("completed", "order", "is completed"),
    ],
)
def test_no_step_is_left_out_or_taken_twice(
    bob: Contact, boss: User, status: str, act: str, says: str
) -> None:
    request = ErasureRequestFactory(
        firm=bob.firm, user=None, contact=bob, status=status, approved_by=None
    )
    acts: dict[str, Callable[[], object]] = {
        "verify": lambda: verify_request(request=request, how="x", by=boss, now=NOW),
        "approve": lambda: approve_request(request=request, by=boss, now=NOW),
        "reject": lambda: reject_request(request=request, reason="x", by=boss, now=NOW),
        "cancel": lambda: cancel_request(request=request, reason="x", by=boss, now=NOW),
        "order": lambda: order_execution(request=request, reason="x", by=boss),
    }
    assert refused(acts[act]) == f"Erasure request {request.pk} {says}."


@pytest.mark.parametrize(
    ("act", "status"), [(reject_request, "rejected"), (cancel_request, "cancelled")]
)
def test_a_request_is_closed_and_another_may_follow(
    bob: Contact, clerk: User, boss: User, act: Any, status: str
) -> None:
    request = receive(clerk, contact=bob, firm=bob.firm)
    act(request=request, reason="Not him", by=boss, now=NOW)
    request.refresh_from_db()
    assert (request.status, request.reason, request.closed_at) == (status, "Not him", NOW)
    assert receive(clerk, contact=bob, firm=bob.firm).pk != request.pk


# ---- until when ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "received", "due", "longest"),
    [
        ("gdpr", date(2025, 1, 31), date(2025, 2, 28), date(2025, 4, 30)),
        ("gdpr", date(2024, 1, 31), date(2024, 2, 29), date(2024, 4, 30)),
        ("gdpr", date(2025, 5, 10), date(2025, 6, 10), date(2025, 8, 10)),
        ("ccpa", date(2025, 1, 31), date(2025, 3, 17), date(2025, 5, 1)),
    ],
)
def test_the_law_says_until_when_and_how_much_longer(
    bob: Contact, clerk: User, law: str, received: date, due: date, longest: date
) -> None:
    request = receive_request(
        user=None, contact=bob, firm=bob.firm, law=Law(law), received_on=received, by=clerk
    )
    assert request.due_on == due
    extend_request(request=request, reason="Much to look through", by=clerk, today=due)
    request.refresh_from_db()
    assert (request.due_on, request.extended) == (longest, True)
    assert events()[-1] == (
        "erasure_extended", clerk.pk, {"due_on": [str(due), str(longest)]},
        "Much to look through",
    )  # fmt: skip
    assert refused(
        lambda: extend_request(request=request, reason="x", by=clerk, today=due)
    ).endswith("cannot be extended: it was before, or has begun.")


def test_it_is_not_extended_when_it_is_too_late(bob: Contact, clerk: User) -> None:
    request = receive(clerk, contact=bob, firm=bob.firm)
    late = date(2025, 3, 1)
    assert refused(
        lambda: extend_request(request=request, reason="x", by=clerk, today=late)
    ).endswith("was due on 2025-02-28 and cannot be extended any more.")


# ---- whose -----------------------------------------------------------------------------------


def test_whom_nobody_can_be_asked_to_erase(firm: Firm, clerk: User) -> None:
    other = a_firm("Birch")
    user, erased = account_of_bob(), ContactFactory(firm=firm, erased_at=NOW)
    gone = UserFactory(erased_at=NOW)
    MembershipFactory(firm=firm, user=gone)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "Say whose request it is: an account's, or a contact's."),
        ({"contact": bob_of(firm)}, "Without a firm only an account can be erased."),
        ({"firm": firm, "contact": bob_of(other)}, "This contact is another firm's."),
        ({"firm": firm, "user": user}, "The firm does not know this account."),
        ({"firm": firm, "contact": erased}, f"Contact {erased.pk} has been erased."),
        ({"firm": firm, "user": gone}, f"User {gone.pk} has been erased."),
    ]
    for whom, says in cases:
        assert refused(lambda whom=whom: receive(clerk, **whom)) == says


def test_one_request_at_a_time(firm: Firm, clerk: User, bob: Contact) -> None:
    user = account_of_bob()
    MembershipFactory(firm=firm, user=user)
    for whom in ({"contact": bob, "firm": firm}, {"user": user, "firm": firm}, {"user": user}):
        request = receive(clerk, **whom)
        assert refused(lambda whom=whom: receive(clerk, **whom)) == (
            f"A request of {request.whom} is open already."
        )


# ---- what is written down --------------------------------------------------------------------


def test_what_people_type_names_nobody(bob: Contact, clerk: User, boss: User) -> None:
    request = receive(clerk, contact=bob, firm=bob.firm)
    verify_request(request=request, how=f"Wrote from {EMAIL}", by=clerk, now=NOW)
    request.refresh_from_db()
    reject_request(request=request, reason=f"{NAME} owes us", by=boss, now=NOW)
    request.refresh_from_db()
    assert (request.verified_how, request.reason) == ("Wrote from [erased]", "[erased] owes us")
    assert [reason for *_, reason in events()] == [
        "",
        "Wrote from [erased]",
        "[erased] owes us",
    ]
