"""The command ``check_compliance_expiry``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "check_compliance_expiry"
