"""The command ``apply_late_fees``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "apply_late_fees"
