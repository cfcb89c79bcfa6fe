"""The command ``cleanup_old_alerts``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "cleanup_old_alerts"
