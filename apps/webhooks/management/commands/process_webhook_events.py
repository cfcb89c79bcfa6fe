"""The command ``process_webhook_events``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "process_webhook_events"
