"""What fieldwork does by itself, and when."""

from apps.fieldwork import explaining, services
from apps.jobs.job import AS_OF, AT, DRY_RUN, FIRM_ID, WEEKDAYS, Job, Option

EXPIRES_WITHIN = Option(
    "days", int, 30, "Papers expire soon when it is within this many days.", metavar="DAYS"
)
INACTIVE_FOR = Option(
    "days", int, 90, "Close jobs without activity for this many days.", metavar="DAYS"
)
FORCE = Option("force", bool, False, "Close even if it is more than 200 jobs of a firm.")

GATE = (AT, WEEKDAYS)
WORKDAYS = "mon,tue,wed,thu,fri"

JOBS = (
    Job(
        service=services.check_compliance_expiry,
        cron="15 * * * *",
        kwargs={"at": "06:00"},
        options=(EXPIRES_WITHIN, FIRM_ID, AT, DRY_RUN, AS_OF),
        explains=(explaining.PAPERS,),
        harm="writes to contractors",
    ),
    Job(
        service=services.send_pending_jobs_reminder,
        cron="0 * * * *",
        kwargs={"at": "08:00", "weekdays": WORKDAYS},
        options=(FIRM_ID, *GATE, DRY_RUN, AS_OF),
        explains=(explaining.PENDING,),
        harm="writes to contractors and managers",
    ),
    Job(
        service=services.send_daily_summary,
        cron="0 * * * *",
        kwargs={"at": "09:00", "weekdays": WORKDAYS},
        options=(FIRM_ID, *GATE, DRY_RUN, AS_OF),
        harm="writes to managers",
    ),
    Job(
        service=services.send_payout_reminders,
        cron="0 * * * *",
        kwargs={"at": "10:00", "weekdays": "mon,thu"},
        options=(FIRM_ID, *GATE, DRY_RUN, AS_OF),
        explains=(explaining.PAYOUTS,),
        harm="writes to managers",
    ),
    Job(
        service=services.auto_close_stale_jobs,
        cron="5 * * * *",
        kwargs={"at": "02:00", "weekdays": "sun"},
        options=(INACTIVE_FOR, FIRM_ID, FORCE, *GATE, DRY_RUN, AS_OF),
        explains=(explaining.STALE,),
        harm="closes jobs",
    ),
)
