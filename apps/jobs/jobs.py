"""What this app does by itself, and when."""

from apps.jobs import services
from apps.jobs.job import DRY_RUN, Job, Option

DAYS = Option(
    "days", int, 30, "Delete tasks that ended more than this many days ago.", metavar="N"
)
OLD_RUNS = Option(
    "days", int, 400, "Delete runs that ended more than this many days ago.", metavar="N"
)
FAILURES_ONLY = Option("failures_only", bool, False, "Delete failed tasks only.")

JOBS = (
    Job(
        service=services.cleanup_old_tasks,
        cron="15 4 * * *",
        options=(DAYS, FAILURES_ONLY, DRY_RUN),
        harm="deletes old tasks",
    ),
    Job(
        service=services.cleanup_old_runs,
        cron="20 4 * * *",
        options=(OLD_RUNS, DRY_RUN),
        harm="deletes old runs",
    ),
    Job(service=services.close_lost_runs, cron="*/5 * * * *", options=(DRY_RUN,)),
)
