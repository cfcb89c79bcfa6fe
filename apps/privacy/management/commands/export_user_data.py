"""The command ``export_user_data``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "export_user_data"
