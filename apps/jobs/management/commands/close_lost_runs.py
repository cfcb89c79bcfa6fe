"""The command ``close_lost_runs``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "close_lost_runs"
