"""Two runs of one of the five jobs at the same moment …"""

from collections.abc import Callable
from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connections

from apps.audit.models import AuditEvent
from apps.core.reports import Report
from apps.fieldwork.models import SummaryMark, WorkOrder, WorkOrderNote
from apps.fieldwork.services import (
    auto_close_stale_jobs,
    check_compliance_expiry,
    send_daily_summary,
    send_payout_reminders,
    send_pending_jobs_reminder,
)
from apps.notifications.models import Notification
from tests.factories import (
    ComplianceDocumentFactory,
    ContactFactory,
    ContractorFactory,
    FirmFactory,
    PayoutRequestFactory,
    WorkOrderFactory,
)
from tests.fieldwork.nightly import at, member, noon, sent

pytestmark = [pytest.mark.django_db(transaction=True)]

TODAY = date(2025, 6, 10)


def twice_at_once(job: Callable[[], Report]) -> list[Report]:
    barrier, reports = Barrier(2), list[Report]()

    def run() -> None:
        try:
            barrier.wait()
            reports.append(job())
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.failed for report in reports] == [0, 0]
    return reports


@at(noon(TODAY))
def test_change_a_paper_once_and_tell_of_it_once() -> None:
    firm = FirmFactory()
    member(firm)
    for contact in ContactFactory.create_batch(20, firm=firm):
        ComplianceDocumentFactory(
            contractor=ContractorFactory(contact=contact),
            expires_on=TODAY - timedelta(days=1),
        )
    reports = twice_at_once(check_compliance_expiry)
    assert sum(report.tallies["became expired"] for report in reports) == 20
    assert AuditEvent.objects.count() == len(sent("compliance_warning")) == 20
    listed = [one.context["expired"]["count"] for one in sent("compliance_changed")]
    assert sum(listed) == 20


@at(noon(TODAY))
def test_close_a_job_once_and_tell_of_it_once() -> None:
    firm = FirmFactory()
    for _ in range(20):
        WorkOrderFactory(
            firm=firm, status="ASSIGNED", created_at=noon(TODAY) - timedelta(days=100)
        )
    reports = twice_at_once(auto_close_stale_jobs)
    assert sum(report.tallies["closed"] for report in reports) == 20
    assert WorkOrder.objects.filter(status="CANCELLED").count() == 20
    assert WorkOrderNote.objects.count() == AuditEvent.objects.count() == 20
    assert Notification.objects.count() == 20


@pytest.mark.parametrize(
    ("job", "kind"),
    [
        (send_pending_jobs_reminder, "pending_jobs"),
        (send_daily_summary, "daily_summary"),
        (send_payout_reminders, "payout_reminder"),
    ],
)
def test_send_everybody_one_digest(job: Callable[[], Report], kind: str) -> None:
    with at(noon(TODAY)):
        for firm in FirmFactory.create_batch(5):
            for _ in range(3):
                member(firm, role="admin")
            WorkOrderFactory(firm=firm, created_at=noon(TODAY) - timedelta(days=1))
            PayoutRequestFactory(contractor__contact__firm=firm)
        twice_at_once(job)
    assert len(sent(kind)) == 15
    assert SummaryMark.objects.count() == 5 * (kind == "daily_summary")


@at(noon(TODAY))
def test_tell_a_contractor_once_that_a_request_is_pending() -> None:
    for _ in range(20):
        PayoutRequestFactory(requested_at=noon(TODAY) - timedelta(days=8))
    twice_at_once(send_payout_reminders)
    assert len(sent("payout_waiting")) == 20
