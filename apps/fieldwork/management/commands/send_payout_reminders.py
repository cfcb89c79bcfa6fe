"""The command ``send_payout_reminders``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_payout_reminders"
