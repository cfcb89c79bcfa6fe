"""The command ``check_stale_deals``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "check_stale_deals"
