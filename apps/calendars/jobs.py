"""What the calendar does by itself, and when."""

from apps.calendars import explaining, services
from apps.jobs.job import DRY_RUN, FIRM_ID, Job

JOBS = (
    Job(
        service=services.execute_pending_workflows,
        cron="*/15 * * * *",
        options=(FIRM_ID, DRY_RUN),
        explains=(explaining.WORKFLOWS,),
        harm="writes to people",
    ),
)
