"""Staff who look at discrepancies …"""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEvent
from apps.discrepancies.models import Discrepancy
from apps.firms.models import Firm, User
from apps.firms.rights import staff_group
from tests.factories import (
    DiscrepancyFactory,
    FirmFactory,
    MembershipFactory,
    ReconciliationRunFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

ISSUES = reverse("admin:discrepancies_discrepancy_changelist")


@pytest.fixture
def firm() -> Firm:
    return FirmFactory()


@pytest.fixture
def alice(firm: Firm) -> User:
    user: User = MembershipFactory(firm=firm, user__username="alice").user
    user.groups.add(staff_group())
    return user


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def press(desk: Client, action: str, *issues: Discrepancy, **typed: str) -> Any:
    data = {"action": action, "_selected_action": [issue.pk for issue in issues], **typed}
    return desk.post(ISSUES, data, follow=True)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_ignore_them_with_a_reason(desk: Client, alice: User, firm: Firm) -> None:
    one, other, gone = (
        DiscrepancyFactory(firm=firm),
        DiscrepancyFactory(firm=firm),
        DiscrepancyFactory(firm=firm, status="resolved"),
    )
    page = press(desk, "ignore", one, other, gone).content.decode()
    assert "paid in Stripe ($2500.00) but local status is overdue" in page
    assert Discrepancy.objects.filter(status="ignored").count() == 0
    answer = press(desk, "ignore", one, other, gone, confirmed="yes", reason="Paid in cash.")
    assert said(answer) == "2 discrepancies ignored, 1 skipped: It is not open."
    assert set(AuditEvent.objects.values_list("actor", "reason")) == {
        (alice.pk, "Paid in cash.")
    }


def test_take_them_up_again(desk: Client, firm: Firm) -> None:
    issue = DiscrepancyFactory(firm=firm, status="ignored")
    answer = press(desk, "reopen", issue, confirmed="yes", reason="Not in cash after all.")
    assert said(answer) == "1 discrepancy reopened."
    issue.refresh_from_db()
    assert issue.status == "open"


def test_cannot_touch_the_neighbours(desk: Client) -> None:
    theirs = DiscrepancyFactory()
    press(desk, "ignore", theirs, confirmed="yes", reason="Mischief")
    theirs.refresh_from_db()
    assert theirs.status == "open"


def test_never_meet_what_is_between_the_platform_and_its_bank(desk: Client, firm: Firm) -> None:
    own, theirs = DiscrepancyFactory(firm=firm), DiscrepancyFactory(source="bog")
    hidden = DiscrepancyFactory(firm=firm, source="bog", kind="refunded")
    answer = desk.get(ISSUES)
    assert list(answer.context["cl"].result_list) == [own]
    assert b"refunded" not in answer.content
    page = reverse("admin:discrepancies_discrepancy_change", args=[hidden.pk])
    assert desk.get(page).status_code == 302
    press(desk, "ignore", hidden, confirmed="yes", reason="Mischief")
    hidden.refresh_from_db()
    assert hidden.status == "open"
    desk.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert {*desk.get(ISSUES).context["cl"].result_list} == {own, hidden, theirs}


def test_cannot_decide_without_the_right(client: Client, firm: Firm) -> None:
    user = MembershipFactory(firm=firm).user
    client.force_login(user)
    issue = DiscrepancyFactory(firm=firm)
    press(client, "ignore", issue, confirmed="yes", reason="Mischief")
    issue.refresh_from_db()
    assert issue.status == "open"


def test_see_each_issue_and_each_run(desk: Client, firm: Firm) -> None:
    issue, run = DiscrepancyFactory(firm=firm), ReconciliationRunFactory(firm=firm)
    for row in (issue, run):
        name = row._meta.model_name
        where = reverse(f"admin:discrepancies_{name}_change", args=[row.pk])
        page = desk.get(where).content.decode()
        assert "Stripe" in page
        assert 'name="_save"' not in page
