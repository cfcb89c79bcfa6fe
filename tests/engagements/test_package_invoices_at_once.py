"""Two runs at the same moment: every period is billed once, and no number is left out."""

from datetime import date
from threading import Barrier, Thread

import pytest
import time_machine
from django.db import connections

from apps.billing.models import Invoice
from apps.billing.services import find_inconsistencies
from apps.core.reports import Report
from apps.engagements.models import EngagementPeriod
from apps.engagements.services import generate_package_invoices
from apps.notifications.models import Notification
from tests.engagements.billing import engagement_of
from tests.factories import FirmFactory

pytestmark = [pytest.mark.django_db(transaction=True)]


@time_machine.travel("2025-06-10T12:00:00Z", tick=False)
def test_two_runs_bill_twenty_engagements_once() -> None:
    firm = FirmFactory()
    for _ in range(20):
        engagement_of(firm, start_date=date(2025, 6, 1))
    barrier, reports = Barrier(2), list[Report]()

    def run() -> None:
        try:
            barrier.wait()
            reports.append(generate_package_invoices())
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.failed for report in reports] == [0, 0]
    assert sum(report.done for report in reports) == 20
    numbers = sorted(Invoice.objects.values_list("number", flat=True))
    assert numbers == [f"INV-2025-{n:03d}" for n in range(1, 21)]
    assert EngagementPeriod.objects.count() == Notification.objects.count() == 20
    assert find_inconsistencies() == []
