"""What deals do by themselves, and when."""

from apps.crm import explaining, services
from apps.jobs.job import AT, DRY_RUN, FIRM_ID, Job

JOBS = (
    Job(
        service=services.check_stale_deals,
        cron="35 * * * *",
        kwargs={"at": "10:00"},
        options=(FIRM_ID, AT, DRY_RUN),
        explains=(explaining.STALE,),
        harm="writes to owners of deals",
    ),
    Job(
        service=services.send_stale_deal_reminders,
        cron="40 * * * *",
        kwargs={"at": "10:00"},
        options=(FIRM_ID, AT, DRY_RUN),
        explains=(explaining.REMINDERS,),
        harm="writes to owners of deals",
    ),
)
