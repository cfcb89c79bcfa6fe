"""The command ``generate_package_invoices``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "generate_package_invoices"
