"""The command ``send_stale_deal_reminders``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_stale_deal_reminders"
