"""A person who looks at an issue …"""

import pytest

from apps.audit.models import AuditEvent
from apps.core.problems import Problem
from apps.discrepancies.models import Discrepancy
from apps.discrepancies.services import (
    ignore_discrepancy,
    reopen_discrepancy,
    settle_discrepancy,
)
from apps.firms.models import User
from tests.discrepancies.findings import NIGHT, NOW, close, finding, see
from tests.factories import FirmFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return UserFactory(username="alice")


@pytest.fixture
def issue() -> Discrepancy:
    firm = FirmFactory()
    see(firm, finding())
    return Discrepancy.objects.get()


def test_may_ignore_it_and_says_why(issue: Discrepancy, alice: User) -> None:
    ignore_discrepancy(discrepancy=issue, actor=alice, reason="Paid in cash.", now=NOW)
    issue.refresh_from_db()
    assert (issue.status, issue.closed_at) == ("ignored", NOW)
    event = AuditEvent.objects.get()
    assert (event.firm_id, event.actor, event.action, event.reason) == (
        issue.firm_id,
        alice,
        "discrepancy_ignored",
        "Paid in cash.",
    )
    assert event.changes == {"status": ["open", "ignored"]}


def test_may_say_that_it_was_put_right_until_it_is_seen_again(
    issue: Discrepancy, alice: User
) -> None:
    settle_discrepancy(discrepancy=issue, actor=alice, reason="Sent again.", now=NOW)
    issue.refresh_from_db()
    assert (issue.status, issue.closed_at) == ("repaired", NOW)
    assert AuditEvent.objects.get().action == "discrepancy_repaired"
    with pytest.raises(Problem, match=r"^It is not open\.$"):
        settle_discrepancy(discrepancy=issue, actor=alice, reason="Again.", now=NOW)
    see(issue.firm, finding(), at=NOW + NIGHT)
    assert Discrepancy.objects.get(status="open").pk != issue.pk


def test_may_take_it_up_again(issue: Discrepancy, alice: User) -> None:
    ignore_discrepancy(discrepancy=issue, actor=alice, reason="No.", now=NOW)
    reopen_discrepancy(discrepancy=issue, actor=alice, reason="Yes.", now=NOW + NIGHT)
    issue.refresh_from_db()
    assert (issue.status, issue.closed_at) == ("open", None)
    assert AuditEvent.objects.filter(action="discrepancy_reopened").count() == 1


def test_cannot_ignore_what_is_over(issue: Discrepancy, alice: User) -> None:
    close(issue.firm, at=NOW + NIGHT)
    with pytest.raises(Problem, match=r"^It is not open\.$"):
        ignore_discrepancy(discrepancy=issue, actor=alice, reason="No.", now=NOW)
    assert AuditEvent.objects.count() == 0


def test_cannot_reopen_what_was_not_ignored(issue: Discrepancy, alice: User) -> None:
    with pytest.raises(Problem, match=r"^It is not ignored\.$"):
        reopen_discrepancy(discrepancy=issue, actor=alice, reason="Yes.", now=NOW)


def test_cannot_reopen_what_is_open_anew(issue: Discrepancy, alice: User) -> None:
    ignore_discrepancy(discrepancy=issue, actor=alice, reason="No.", now=NOW)
    see(issue.firm, finding(remote_state="something else"), at=NOW + NIGHT)
    with pytest.raises(Problem, match=r"^It has been seen and opened again meanwhile\.$"):
        reopen_discrepancy(discrepancy=issue, actor=alice, reason="Yes.", now=NOW)
    assert AuditEvent.objects.filter(action="discrepancy_reopened").count() == 0
