"""What this app does by itself, and when."""

from apps.jobs.job import DRY_RUN, FIRM_ID, Job
from apps.notifications import services

JOBS: tuple[Job, ...] = (
    Job(service=services.deliver_notifications, cron="* * * * *", options=(FIRM_ID, DRY_RUN)),
)
