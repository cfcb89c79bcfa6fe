"""The command ``send_payment_reminders``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_payment_reminders"
