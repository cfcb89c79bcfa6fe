"""What billing does by itself, and when."""

from apps.billing import explaining, services
from apps.jobs.job import AS_OF, DRY_RUN, FIRM_ID, Job, Option

VIEW = Option("view", str, "", "Only this view.", metavar="NAME")
NO_CONCURRENTLY = Option(
    "no_concurrently", bool, False, "Rebuild at once and let readers wait (PostgreSQL)."
)
REPAIR = Option("repair", bool, False, "Record what Stripe knows and its events never told us.")

JOBS: tuple[Job, ...] = (
    Job(
        service=services.mark_overdue_invoices,
        cron="55 * * * *",
        options=(FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.OVERDUE,),
    ),
    Job(
        service=services.process_recurring_charges,
        cron="0 * * * *",
        options=(FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.CHARGES,),
        touches=("payments",),
        harm="charges stored cards",
    ),
    Job(
        service=services.reconcile_stripe,
        cron="30 2 * * *",
        options=(FIRM_ID, REPAIR, DRY_RUN),
        touches=("payments",),
    ),
    Job(
        service=services.refresh_materialized_views,
        cron="45 * * * *",
        options=(VIEW, NO_CONCURRENTLY, DRY_RUN),
    ),
)
