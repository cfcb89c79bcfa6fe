"""The command ``anonymise_retained_records``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "anonymise_retained_records"
