"""The command ``send_daily_summary``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_daily_summary"
