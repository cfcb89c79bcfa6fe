"""Two runs at the same moment: one alert, one reminder; and a deal that closes meanwhile."""

from datetime import UTC, datetime

import pytest
import time_machine

from apps.core.reports import Report
from apps.crm.models import Deal, StaleDealAlert
from apps.crm.services import check_stale_deals, send_stale_deal_reminders, win_deal
from apps.firms.models import Firm, Role
from apps.notifications.models import Notification
from tests.billing.at_once import at_once
from tests.crm.dealing import STALE_NOON, after, colleague, deal_of, stage_of
from tests.factories import FirmFactory, MembershipFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def firm() -> Firm:
    """A firm with twenty idle deals: twelve of three owners, eight of nobody."""
    firm = FirmFactory()
    MembershipFactory(firm=firm, roles=[Role.OWNER])
    owners = [*(colleague(firm) for _ in range(3)), None, None]
    stage = stage_of(firm)
    for number in range(20):
        deal_of(firm, stage=stage, owner=owners[number % 5])
    return firm


@time_machine.travel(STALE_NOON, tick=False)
def test_two_checks_open_one_alert_for_each_deal(firm: Firm) -> None:
    reports = list[Report]()
    run = [lambda: reports.append(check_stale_deals())] * 2
    assert at_once(*run) == []
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 20
    assert Deal.objects.filter(is_stale=True).count() == 20
    assert StaleDealAlert.objects.open().count() == 20


@time_machine.travel(STALE_NOON, tick=False)
def test_two_runs_remind_everybody_once(firm: Firm) -> None:
    check_stale_deals()
    reports = list[Report]()
    run = [lambda: reports.append(send_stale_deal_reminders())] * 2
    assert at_once(*run) == []
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 4
    assert Notification.objects.count() == 4
    assert sum(len(one.context["deals"]) for one in Notification.objects.all()) == 20
    assert set(StaleDealAlert.objects.values_list("reminder_count", flat=True)) == {1}


@time_machine.travel(STALE_NOON, tick=False)
def test_deals_that_close_while_they_are_checked_are_not_stale(firm: Firm) -> None:
    now = datetime.now(UTC)
    deals = list(Deal.objects.order_by("pk")[:10])

    def win() -> None:
        for deal in deals:
            win_deal(deal=deal, today=after(14), actor=None, reason="", now=now)

    assert at_once(check_stale_deals, win) == []
    assert Deal.objects.filter(is_stale=True).count() == 10
    open_ = StaleDealAlert.objects.open().values_list("deal__status", flat=True)
    assert list(open_) == ["open"] * 10
