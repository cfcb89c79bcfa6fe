"""Two checks at the same moment: everybody is told once."""

import pytest

from apps.core.reports import Report
from apps.notifications.models import Notification
from apps.weather.models import WeatherAlert
from apps.weather.services import check_weather_alerts
from sandbox import Sandbox
from tests.billing.at_once import at_once
from tests.factories import FirmFactory
from tests.weather.watching import HOT, at, feels, home_of

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_two_checks_open_each_episode_once(sandbox: Sandbox) -> None:
    firm = FirmFactory()
    for number in range(5):
        home_of(firm, f"Home {number}", timezone="Europe/London")
    feels(sandbox, HOT)
    reports = list[Report]()
    with at():
        assert at_once(*[lambda: reports.append(check_weather_alerts())] * 2) == []
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.tallies["sent"] for report in reports) == 5
    assert WeatherAlert.objects.count() == Notification.objects.count() == 5
