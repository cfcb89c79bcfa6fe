"""What this app does by itself, and when."""

from apps.documents import explaining, services
from apps.documents.models import LINK_DAYS
from apps.jobs.job import AT, DRY_RUN, FIRM_ID, Job, Option

DAYS = Option("days", int, LINK_DAYS, "Expire links older than this many days.", metavar="DAYS")

JOBS: tuple[Job, ...] = (
    Job(
        service=services.expire_signing_links,
        cron="50 * * * *",
        options=(DAYS, FIRM_ID, DRY_RUN),
        explains=(explaining.LINKS,),
    ),
    Job(
        service=services.send_file_request_reminders,
        cron="30 * * * *",
        kwargs={"at": "09:00"},
        options=(FIRM_ID, AT, DRY_RUN),
        explains=(explaining.FILE_REQUESTS,),
    ),
    Job(
        service=services.reconcile_s3,
        cron="30 3 * * *",
        options=(FIRM_ID, DRY_RUN),
        touches=("storage",),
        harm="writes to whoever was asked for files",
    ),
)
