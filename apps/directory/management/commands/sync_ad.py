"""The command ``sync_ad``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "sync_ad"
