"""Two workers at the same moment (spec D12, acceptance 1)."""

import pytest

from apps.calendars.models import WorkflowExecution
from apps.calendars.services import execute_pending_workflows
from apps.core.reports import Report
from apps.notifications.models import Notification
from tests.billing.at_once import at_once
from tests.calendars.planning import TEN, at, event_of, rule_of, utc
from tests.factories import FirmFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_each_execution_is_done_once() -> None:
    firm = FirmFactory()
    rule_of(firm)
    for number in range(6):
        event_of(firm, f"Meeting {number}", starts_at=TEN)
    reports = list[Report]()
    with at(utc("2025-06-10 13:00")):
        assert at_once(*[lambda: reports.append(execute_pending_workflows())] * 2) == []
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.tallies["executed"] for report in reports) == 6
    assert Notification.objects.count() == 6
    done = WorkflowExecution.objects.filter(status="succeeded", attempts=1)
    assert done.count() == 6
