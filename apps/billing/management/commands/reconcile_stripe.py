"""The command ``reconcile_stripe``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "reconcile_stripe"
