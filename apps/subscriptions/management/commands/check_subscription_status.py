"""The command ``check_subscription_status``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "check_subscription_status"
