"""A rent run meets other runs, and death: every invoice once, numbers without gaps."""

import os
import re
import signal
import subprocess
import sys

import pytest
from django.utils import timezone
from django_q.models import Schedule
from django_q.scheduler import scheduler
from django_q.tasks import async_task

from apps.billing.models import Invoice
from apps.firms.models import Firm
from apps.jobs.models import JobRun
from apps.leasing.models import RentPeriod
from apps.notifications.models import Notification
from benchmarks.world import make_leases
from tests.servers.cluster import (
    ROOT,
    FileDatabase,
    running_cluster,
    wait_for,
    wait_until_gone,
    writing_held,
)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

JOB = "apps.leasing.services.generate_monthly_invoices"


def assert_billed_once(leases: int) -> None:
    """Check that each lease has one invoice and each firm's numbers run from 1 on."""
    assert Invoice.objects.count() == RentPeriod.objects.count() == leases
    assert Notification.objects.filter(type="invoice_issued").count() == leases
    for firm in Firm.objects.all():
        numbers = firm.invoices.values_list("number", flat=True)
        counted = sorted(int(re.sub(r"^INV-\d{4}-", "", number)) for number in numbers)
        assert counted == list(range(1, len(counted) + 1))


def over(task: str) -> JobRun | None:
    return JobRun.objects.filter(task_id=task, ended_at__isnull=False).first()


@pytest.mark.postgres
def test_bills_once_from_two_clusters_and_by_hand(file_database: FileDatabase) -> None:
    make_leases(2_000)
    row = Schedule.objects.create(
        name="rent", func=JOB, schedule_type=Schedule.CRON, cron="10 * * * *"
    )
    with running_cluster(file_database) as one, running_cluster(file_database) as other:
        Schedule.objects.filter(pk=row.pk).update(next_run=timezone.now())
        scheduler()
        row.refresh_from_db()
        single_firms = [async_task(JOB, firm_id=firm.pk) for firm in Firm.objects.all()[:3]]
        by_hand = [
            subprocess.Popen(
                [sys.executable, "manage.py", "generate_monthly_invoices", "-v", "0"],
                cwd=ROOT,
                env=dict(file_database.environment),
                stdout=subprocess.DEVNULL,
            )
            for _ in range(2)
        ]
        assert [process.wait(60) for process in by_hand] == [0, 0]
        for task in (row.task, *single_firms):
            wait_for(lambda t=task: over(t), about=lambda: one.log + other.log)
    assert_billed_once(2_000)
    states = set(JobRun.objects.values_list("state", flat=True))
    assert states <= {JobRun.State.DONE, JobRun.State.BUSY}


def test_finishes_what_a_killed_worker_left(file_database: FileDatabase) -> None:
    make_leases(6_000)
    first = async_task(JOB)
    with running_cluster(file_database) as cluster:
        wait_for(Invoice.objects.exists, every=0.001, about=lambda: cluster.log)
        with writing_held("billing_invoice"):
            issued = Invoice.objects.count()
            run = JobRun.objects.get(task_id=first)
            worker = int(run.worker.split(":")[1])
            os.kill(worker, signal.SIGKILL)
            wait_until_gone([worker])
        # Only now: on SQLite the sentinel, too, may be waiting to write (its figures).
        cluster.says("after death", seconds=60)
        assert 0 < issued < 6_000
        second = async_task(JOB)
        again = wait_for(lambda: over(second), seconds=60, about=lambda: cluster.log)
    run.refresh_from_db()
    assert (run.state, again.state) == ("lost", "done")
    assert again.done == 6_000 - issued
    assert_billed_once(6_000)
