"""The command ``refresh_materialized_views``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "refresh_materialized_views"
