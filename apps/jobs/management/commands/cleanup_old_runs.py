"""The command ``cleanup_old_runs``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "cleanup_old_runs"
