"""What leasing does by itself, and when."""

from apps.jobs.job import AS_OF, AT, DRY_RUN, FIRM_ID, Job, Option
from apps.leasing import explaining, services

PROPERTY = Option("property", int, None, "Only this property.", metavar="ID")
MONTH = Option("month", str, "", "The month to invoice.", metavar="YYYY-MM")
DAYS_BEFORE = Option(
    "days_before", int, None, "Remind so many days before the due date.", metavar="N"
)
DAYS_AFTER = Option(
    "days_after", int, None, "Remind so many days after the due date.", metavar="N"
)
RENTER = Option(
    "tenant", int, None, "Only this renter (the ID of a contact on a lease).", metavar="ID"
)

JOBS = (
    Job(
        service=services.generate_monthly_invoices,
        cron="10 * * * *",
        options=(PROPERTY, MONTH, FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.RENT,),
        harm="issues invoices",
    ),
    Job(
        service=services.apply_late_fees,
        cron="20 * * * *",
        kwargs={"at": "09:00"},
        options=(PROPERTY, FIRM_ID, AT, DRY_RUN, AS_OF),
        explains=(explaining.LATE_FEES,),
        harm="charges late fees",
    ),
    Job(
        service=services.send_payment_reminders,
        cron="25 * * * *",
        kwargs={"at": "09:00"},
        options=(DAYS_BEFORE, DAYS_AFTER, FIRM_ID, AT, DRY_RUN, AS_OF),
        explains=(explaining.REMINDERS,),
        harm="writes to renters",
    ),
    Job(
        service=services.calculate_rewards,
        cron="0 5 * * *",
        options=(RENTER, FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.REWARDS,),
        harm="gives account credit",
    ),
)
