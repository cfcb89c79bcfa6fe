"""The command ``send_pending_jobs_reminder``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "send_pending_jobs_reminder"
