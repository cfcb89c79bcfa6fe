"""A retention run dies in the middle: whole batches are gone, the next run does the rest."""

import signal
import subprocess
import sys

import pytest

from apps.audit.models import AuditEvent
from apps.jobs.models import JobRun
from apps.privacy.models import RetentionRun
from tests.factories import FirmFactory
from tests.privacy.expiring import make_events, policy
from tests.servers.cluster import ROOT, FileDatabase, wait_for

pytestmark = pytest.mark.slow

ROWS = 30_000


def processed() -> int:
    return sum(RetentionRun.objects.values_list("processed", flat=True))


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "kill_9"])
def test_finishes_what_is_left(file_database: FileDatabase, by: signal.Signals) -> None:
    firm = FirmFactory()
    policy(firm, "audit_logs")
    make_events(firm, ROWS)
    with subprocess.Popen(
        [sys.executable, "manage.py", "execute_retention_policies"],
        cwd=ROOT,
        env={**file_database.environment, "LOG_LEVEL": "CRITICAL"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for(lambda: AuditEvent.objects.count() <= ROWS - 2_000, every=0.001, seconds=60)
        # Held where it is at once: waiting for a lock, we might come after its last batch.
        process.send_signal(signal.SIGSTOP)
        process.send_signal(by)
        process.send_signal(signal.SIGCONT)
        said, problem = process.communicate(timeout=60)

    left = AuditEvent.objects.count()
    gone = ROWS - left
    assert 0 < left < ROWS
    assert left % 1_000 == 0
    assert processed() == gone
    if by == signal.SIGTERM:
        assert problem == "CommandError: Interrupted\n"
        assert f"  Records processed: {gone}\n" in said

    done = file_database.manage("execute_retention_policies", "-v", "0")

    assert done.returncode == 0, done.stderr
    assert f"  Records processed: {left}\n" in done.stdout
    assert not AuditEvent.objects.exists()
    assert processed() == ROWS
    assert RetentionRun.objects.count() == 1
    states = list(JobRun.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["interrupted" if by == signal.SIGTERM else "lost", "done"]
