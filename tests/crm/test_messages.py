"""The messages about stale deals … say what is idle, how long, and what it is worth."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from bs4 import BeautifulSoup

from apps.crm.messages import STALE_DEALS, STALE_DEALS_ESCALATED
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services import (
    check_stale_deals,
    log_activity,
    send_stale_deal_reminders,
    win_deal,
)
from apps.firms.models import Firm, Role, User
from apps.notifications.models import Delivery, Notification
from apps.notifications.services import deliver_notifications
from apps.notifications.types import Words
from tests.crm.dealing import after, colleague, deal_of, on, stage_of
from tests.factories import ContactFactory, MembershipFactory, StageFactory
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db

STALE = after(14)


@pytest.fixture
def deals(firm: Firm, bob: User) -> list[Deal]:
    """Two deals of Bob's, worth $45,000 and $12,000."""
    stage = stage_of(firm, name="Proposal")
    return [
        deal_of(
            firm,
            stage=stage,
            owner=bob,
            title=title,
            amount_minor=amount,
            contact=ContactFactory(firm=firm, display_name=contact),
        )
        for title, amount, contact in (
            ("Quality audit", 1_200_000, "Redwood Clinic"),
            ("Warehouse fit-out", 4_500_000, "Northwind Trading"),
        )
    ]


def plan(day: date = STALE) -> None:
    with on(day):
        check_stale_deals()
        send_stale_deal_reminders()


def words() -> Words:
    return STALE_DEALS.write([Notification.objects.get()])


# ---- what they say --------------------------------------------------------------------------


def test_lists_the_deals_with_what_they_are_worth_and_a_link(deals: list[Deal]) -> None:
    plan()
    audit, fit_out = deals
    message = words()
    assert message.subject == "2 stale deals worth $57,000.00"
    assert message.text == (
        "Nobody has touched these 2 deals for too long:\n"
        "\n"
        "  • Warehouse fit-out (Northwind Trading): $45,000.00, 14 days idle\n"
        f"    http://127.0.0.1:8000/admin/crm/deal/{fit_out.pk}/change/\n"
        "  • Quality audit (Redwood Clinic): $12,000.00, 14 days idle\n"
        f"    http://127.0.0.1:8000/admin/crm/deal/{audit.pk}/change/\n"
        "\n"
        "See all stale deals:\n"
        "http://127.0.0.1:8000/admin/crm/deal/?is_stale__exact=1\n"
        "\n"
        "A call, a note, a change or a date for the next meeting takes a deal off this list; "
        "so does snoozing it."
    )


def test_shows_the_same_as_a_page(deals: list[Deal]) -> None:
    Deal.objects.filter(pk=deals[0].pk).update(title="<b>Audit</b> & more")
    plan()
    soup = BeautifulSoup(words().html, "html.parser")
    assert [cell.get_text(" ") for cell in soup.select("td")] == [
        "Warehouse fit-out Northwind Trading", "$45,000.00 14 days idle",
        "<b>Audit</b> & more Redwood Clinic", "$12,000.00 14 days idle",
    ]  # fmt: skip
    assert soup.select("b") == []
    assert [link["href"].rpartition("/admin/")[2] for link in soup.select("a")] == [
        f"crm/deal/{deals[1].pk}/change/", f"crm/deal/{deals[0].pk}/change/",
        "crm/deal/?is_stale__exact=1",
    ]  # fmt: skip


def test_speaks_of_one_deal_as_one(deals: list[Deal]) -> None:
    deals[0].delete()
    deals[1].stage.stale_after_days = 1
    deals[1].stage.save()
    plan(after(1))
    message = words()
    assert "$45,000.00, 1 day idle\n" in message.text
    assert message.subject == "1 stale deal worth $45,000.00"
    assert message.text.startswith("Nobody has touched this deal for too long:\n")


def test_never_adds_two_currencies_and_names_no_worth_of_nothing(deals: list[Deal]) -> None:
    Deal.objects.filter(pk=deals[0].pk).update(currency="JPY", amount_minor=98_000)
    plan()
    assert words().subject == "2 stale deals worth ¥98,000, $45,000.00"
    Deal.objects.update(amount_minor=0)
    assert words().subject == "2 stale deals"


def test_says_whose_a_deal_is_to_those_in_charge(firm: Firm, deals: list[Deal]) -> None:
    boss = MembershipFactory(firm=firm, roles=[Role.OWNER]).user
    User.objects.filter(username="bob").update(is_active=False)
    Deal.objects.filter(pk=deals[0].pk).update(owner=None)
    plan()
    assert Notification.objects.get().recipient_user == boss
    text = words().text
    assert "Warehouse fit-out (Northwind Trading, Bob Ray's): $45,000.00" in text
    assert "Quality audit (Redwood Clinic, nobody's): $12,000.00" in text


def test_tells_the_manager_what_four_reminders_did_not_move(deals: list[Deal]) -> None:
    boss = MembershipFactory(firm=deals[0].firm, roles=[Role.OWNER]).user
    for week in range(5):
        plan(after(14 + 7 * week))
    told = Notification.objects.get(type="stale_deals_escalated")
    assert told.recipient_user == boss
    message = STALE_DEALS_ESCALATED.write([told])
    assert message.subject == "Escalated: 2 stale deals worth $57,000.00"
    assert message.text.startswith("Four reminders did not move these 2 deals:\n")
    assert "Warehouse fit-out (Northwind Trading, Bob Ray's): $45,000.00, 42 days idle" in (
        message.text
    )
    assert message.text.endswith(
        "\n\nNobody is reminded of them again until somebody takes care of them."
    )


def test_counts_what_is_not_listed(firm: Firm, bob: User) -> None:
    stage = StageFactory(pipeline__firm=firm)
    for number in range(52):
        deal_of(firm, stage=stage, owner=bob, amount_minor=100 * (number + 1))
    plan()
    message = words()
    assert message.subject == "52 stale deals worth $1,378.00"
    assert message.text.count("14 days idle") == 50
    assert "  … and 2 more worth $3.00\n" in message.text
    assert "… and 2 more worth $3.00" in message.html


# ---- when somebody was quicker --------------------------------------------------------------


def touch(deal: Deal) -> None:
    log_activity(
        deal=deal,
        type="call",
        note="",
        occurred_at=datetime.now(UTC),
        is_automated=False,
        actor=None,
        now=datetime.now(UTC),
    )


def close(deal: Deal) -> None:
    win_deal(deal=deal, today=STALE, actor=None, reason="", now=datetime.now(UTC))


def snooze(deal: Deal) -> None:
    Deal.objects.filter(pk=deal.pk).update(snoozed_until=after(20))


@pytest.mark.parametrize("take_care", [touch, close, snooze])
def test_leaves_out_a_deal_that_was_taken_care_of_before_it_is_written(
    deals: list[Deal], take_care: Any
) -> None:
    plan()
    with on(STALE):
        take_care(deals[1])
        told = Notification.objects.get()
        assert STALE_DEALS.still_wanted is not None
        assert STALE_DEALS.still_wanted([told]) == {}
        message = words()
        assert message.subject == "1 stale deal worth $12,000.00"
        assert "Warehouse" not in message.text + message.html
        take_care(deals[0])
        assert STALE_DEALS.still_wanted([told]) == {told.pk: "taken care of"}
        assert words().text.startswith("None of these deals is stale any more.")


def test_is_not_sent_when_everything_was_taken_care_of(
    deals: list[Deal], smtp_server: MailServer
) -> None:
    plan()
    with on(STALE):
        for deal in deals:
            touch(deal)
        deliver_notifications()
    assert smtp_server.messages == []
    email = Delivery.objects.get(channel="email")
    assert (email.status, email.reason) == ("skipped", "taken care of")


def test_is_sent_once_with_a_way_to_stop_it(
    deals: list[Deal], smtp_server: MailServer, bob: User
) -> None:
    plan()
    with on(STALE):
        deliver_notifications()
        deliver_notifications()
    [mail] = smtp_server.messages
    assert mail.recipients == [bob.email]
    headers = mail.message
    assert headers["Subject"] == "2 stale deals worth $57,000.00"
    assert headers["From"].startswith("Acme Consulting <")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_asks_the_database_the_same_for_many_messages(
    deals: list[Deal], django_assert_num_queries: Any
) -> None:
    for _ in range(5):
        deal_of(deals[0].firm, stage=deals[0].stage, owner=colleague(deals[0].firm))
    plan()
    told = list(Notification.objects.select_related("firm__settings"))
    assert len(told) == 6
    assert STALE_DEALS.still_wanted is not None
    with django_assert_num_queries(2):
        assert STALE_DEALS.still_wanted(told) == {}
    assert StaleDealAlert.objects.count() == 7
