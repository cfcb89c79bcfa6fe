"""What happens to subscriptions by itself, and when."""

from apps.jobs.job import AS_OF, DRY_RUN, FIRM_ID, TENANT, Job, Option
from apps.subscriptions import explaining, services

DAYS_BEFORE = Option(
    "days_before", int, 3, "Charge what expires within so many days.", metavar="N"
)
GRACE_DAYS = Option(
    "grace_days",
    int,
    None,
    "Suspend so many days after the expiry (7, unless SUBSCRIPTION_GRACE_DAYS says otherwise).",
    metavar="N",
)

JOBS = (
    Job(
        service=services.process_recurring_payments,
        cron="0 2,14 * * *",
        options=(DAYS_BEFORE, FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.RENEWALS,),
        touches=("cards",),
        harm="charges firms",
    ),
    Job(
        service=services.check_subscription_status,
        cron="0 3 * * *",
        options=(GRACE_DAYS, TENANT, FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.STATUS,),
        touches=("cards",),
        harm="suspends firms that have not paid",
    ),
)
