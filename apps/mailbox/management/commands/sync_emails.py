"""The command ``sync_emails``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "sync_emails"
