"""The command ``cleanup_webhook_events``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "cleanup_webhook_events"
