"""Two checks at the same moment: everybody is told once."""

from threading import Barrier, Thread

import pytest
from django.db import connections

from apps.core.reports import Report
from apps.notifications.models import Notification
from apps.weather.models import WeatherAlert
from apps.weather.services import check_weather_alerts
from sandbox import Sandbox
from tests.factories import FirmFactory
from tests.weather.watching import HOT, at, feels, home_of

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_two_checks_open_each_episode_once(sandbox: Sandbox) -> None:
    firm = FirmFactory()
    for number in range(5):
        home_of(firm, f"Home {number}", timezone="Europe/London")
    feels(sandbox, HOT)
    barrier, reports = Barrier(2), list[Report]()

    def run() -> None:
        try:
            barrier.wait()
            reports.append(check_weather_alerts())
        finally:
            connections.close_all()

    with at():
        threads = [Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.tallies["sent"] for report in reports) == 5
    assert WeatherAlert.objects.count() == Notification.objects.count() == 5
