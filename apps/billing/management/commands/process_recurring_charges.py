"""The command ``process_recurring_charges``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "process_recurring_charges"
