"""The command ``deliver_notifications``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "deliver_notifications"
