"""What mailboxes do by themselves, and when."""

from apps.jobs.job import DRY_RUN, FIRM_ID, TENANT, Job, Option
from apps.mailbox import explaining, services

MAX_MESSAGES = Option(
    "max_messages", int, 500, "At most so many messages of each mailbox.", metavar="N"
)

JOBS = (
    Job(
        service=services.sync_emails,
        cron="*/5 * * * *",
        options=(TENANT, MAX_MESSAGES, FIRM_ID, DRY_RUN),
        explains=(explaining.MAILBOXES,),
        touches=("mailboxes", "storage"),
    ),
)
