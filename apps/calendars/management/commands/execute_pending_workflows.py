"""The command ``execute_pending_workflows``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "execute_pending_workflows"
