"""The command ``send_notification``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_notification"
