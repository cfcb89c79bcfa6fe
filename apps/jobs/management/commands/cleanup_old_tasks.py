"""The command ``cleanup_old_tasks``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "cleanup_old_tasks"
