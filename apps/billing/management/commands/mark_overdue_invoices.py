"""The command ``mark_overdue_invoices``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "mark_overdue_invoices"
