"""What the inbox does by itself, and when."""

from apps.jobs.job import DRY_RUN, FIRM_ID, Job, Option
from apps.webhooks import services

DAYS = Option(
    "days",
    int,
    None,
    "Delete events received more than this many days ago, whatever the policies say.",
    metavar="N",
)

JOBS: tuple[Job, ...] = (
    Job(
        service=services.process_webhook_events,
        cron="* * * * *",
        options=(FIRM_ID, DRY_RUN),
        touches=("payments",),
    ),
    Job(
        service=services.cleanup_webhook_events,
        cron="0 4 * * *",
        options=(DAYS, DRY_RUN),
        harm="deletes old webhook events",
    ),
)
