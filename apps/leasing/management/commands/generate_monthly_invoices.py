"""The command ``generate_monthly_invoices``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "generate_monthly_invoices"
