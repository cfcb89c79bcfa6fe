"""Two workers at the same moment (spec D12, acceptance 1)."""

from threading import Barrier, Thread

import pytest
from django.db import connections

from apps.calendars.models import WorkflowExecution
from apps.calendars.services import execute_pending_workflows
from apps.core.reports import Report
from apps.notifications.models import Notification
from tests.calendars.planning import TEN, at, event_of, rule_of, utc
from tests.factories import FirmFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_each_execution_is_done_once() -> None:
    firm = FirmFactory()
    rule_of(firm)
    for number in range(6):
        event_of(firm, f"Meeting {number}", starts_at=TEN)
    barrier, reports = Barrier(2), list[Report]()

    def run() -> None:
        try:
            barrier.wait()
            reports.append(execute_pending_workflows())
        finally:
            connections.close_all()

    with at(utc("2025-06-10 13:00")):
        threads = [Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.tallies["executed"] for report in reports) == 6
    assert Notification.objects.count() == 6
    done = WorkflowExecution.objects.filter(status="succeeded", attempts=1)
    assert done.count() == 6
