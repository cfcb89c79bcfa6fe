"""The command ``execute_retention_policies``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "execute_retention_policies"
