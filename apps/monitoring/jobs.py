"""What this app does by itself, and when. The look is no job: it must outlive the clusters."""

from apps.jobs.job import DRY_RUN, Job, Option
from apps.monitoring import services

DAYS = Option(
    "days", int, 400, "Delete alerts that were over more than this many days ago.", metavar="N"
)

JOBS: tuple[Job, ...] = (
    Job(service=services.cleanup_old_alerts, cron="25 4 * * *", options=(DAYS, DRY_RUN)),
)
