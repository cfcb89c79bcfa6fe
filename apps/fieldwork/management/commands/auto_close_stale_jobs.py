"""The command ``auto_close_stale_jobs``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "auto_close_stale_jobs"
