"""The news of a look …"""

from collections.abc import Sequence

import pytest
from django.conf import settings

from apps.discrepancies.messages import DISCREPANCIES_FOUND, SHOWN
from apps.discrepancies.models import Discrepancy
from apps.firms.models import Firm, Role, User
from apps.notifications.models import Notification
from apps.notifications.types import Words
from tests.discrepancies.findings import NIGHT, NOW, close, finding, see
from tests.factories import FirmFactory, MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    firm = FirmFactory(name="Acme Consulting")
    MembershipFactory(firm=firm, user__username="owner", roles=[Role.OWNER, Role.ADMIN])
    MembershipFactory(firm=firm, user__username="admin", roles=[Role.ADMIN])
    MembershipFactory(firm=firm, user__username="manager", roles=[Role.MANAGER])
    MembershipFactory(firm=firm, user__username="gone", roles=[Role.ADMIN], is_active=False)
    MembershipFactory(user__username="neighbour")
    return firm


@pytest.fixture
def operator() -> User:
    UserFactory(username="retired", is_superuser=True, is_active=False)
    return UserFactory(username="operator", is_superuser=True)


def told() -> list[tuple[str, int]]:
    """Return who was told, and of how many issues."""
    return [
        (one.recipient_user.username, one.context["count"])
        for one in Notification.objects.select_related("recipient_user").order_by("pk")
        if one.recipient_user
    ]


def words(*notifications: Notification) -> Words:
    return DISCREPANCIES_FOUND.write(notifications or list(Notification.objects.all()[:1]))


@pytest.mark.usefixtures("operator")
def test_goes_once_to_owners_and_admins(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_2"))
    close(firm)
    assert sorted(told()) == [("admin", 2), ("owner", 2)]
    assert {one.firm for one in Notification.objects.all()} == {firm}


def test_says_nothing_of_what_was_told_before(firm: Firm) -> None:
    see(firm, finding("pi_1"))
    close(firm)
    Notification.objects.all().delete()
    see(firm, finding("pi_1"), finding("pi_2"), at=NOW + NIGHT)
    close(firm, at=NOW + NIGHT)
    assert sorted(told()) == [("admin", 1), ("owner", 1)]
    see(firm, finding("pi_1"), finding("pi_2"), at=NOW + 2 * NIGHT)
    close(firm, at=NOW + 2 * NIGHT)
    assert len(told()) == 2


def test_catches_up_on_what_a_look_that_died_had_found(firm: Firm) -> None:
    see(firm, finding("pi_1"))  # and nobody closed the look
    see(firm, finding("pi_1"), at=NOW + NIGHT)
    close(firm, at=NOW + NIGHT)
    assert sorted(told()) == [("admin", 1), ("owner", 1)]


def test_of_critical_issues_reaches_the_platforms_operators(firm: Firm, operator: User) -> None:
    see(firm, finding("pi_1"), finding("pi_2", kind="duplicate_payment", severity="critical"))
    close(firm)
    assert sorted(told()) == [("admin", 2), ("operator", 1), ("owner", 2)]
    news = words(Notification.objects.get(recipient_user=operator))
    assert "Critical: INV-2025-003" in news.text
    assert "pi_1" not in news.text


def test_reaches_an_operator_who_works_there_once(firm: Firm) -> None:
    User.objects.filter(username="owner").update(is_superuser=True)
    see(firm, finding(severity="critical"))
    close(firm)
    assert sorted(told()) == [("admin", 1), ("owner", 1)]


def test_waits_for_somebody_to_tell() -> None:
    lonely = FirmFactory()
    see(lonely, finding())
    close(lonely)
    assert Discrepancy.objects.get().notified_at is None
    MembershipFactory(firm=lonely)
    see(lonely, finding(), at=NOW + NIGHT)
    close(lonely, at=NOW + NIGHT)
    assert len(told()) == 1


def test_reads_well_as_text(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_2", label="INV-2025-009", severity="critical"))
    close(firm)
    news = words()
    assert news.subject == "Acme Consulting: 2 new differences with Stripe"
    assert news.text == (
        "Acme Consulting's books and Stripe do not agree:\n"
        "\n"
        "  • Critical: INV-2025-009: paid in Stripe ($2500.00, pi_2) but local status is "
        "overdue\n"
        "  • INV-2025-003: paid in Stripe ($2500.00, pi_1) but local status is overdue\n"
        "\n"
        "See them all:\n"
        f"{settings.SITE_URL}/admin/discrepancies/discrepancy/?status__exact=open\n"
        "\n"
        "Each is told once; it stays on the list until it is gone or you ignore it."
    )


def test_escapes_what_it_shows_as_html(firm: Firm) -> None:
    see(firm, finding(label="<b>INV</b>"))
    close(firm)
    html = words().html
    assert "<li><strong></strong>&lt;b&gt;INV&lt;/b&gt;: paid in Stripe" in html
    assert f'<a href="{settings.SITE_URL}/admin/discrepancies/discrepancy/' in html


def test_counts_what_does_not_fit(firm: Firm) -> None:
    see(firm, *(finding(f"pi_{number:03}") for number in range(SHOWN + 7)))
    close(firm)
    news = words()
    assert news.subject == "Acme Consulting: 57 new differences with Stripe"
    assert news.text.count("  • ") == SHOWN
    assert "  … and 7 more\n" in news.text


def test_is_not_sent_when_everything_is_settled(firm: Firm) -> None:
    see(firm, finding("pi_1"), finding("pi_2"))
    close(firm)
    messages: Sequence[Notification] = list(Notification.objects.all())
    assert DISCREPANCIES_FOUND.still_wanted is not None
    assert DISCREPANCIES_FOUND.still_wanted(messages) == {}
    close(firm, at=NOW + NIGHT)
    assert DISCREPANCIES_FOUND.still_wanted(messages) == {
        one.pk: "settled meanwhile" for one in messages
    }
