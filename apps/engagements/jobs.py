"""What engagements do by themselves, and when."""

from apps.engagements import explaining, services
from apps.jobs.job import AS_OF, DRY_RUN, FIRM_ID, Job

JOBS = (
    Job(
        service=services.generate_package_invoices,
        cron="5 * * * *",
        options=(FIRM_ID, DRY_RUN, AS_OF),
        explains=(explaining.PACKAGES,),
        harm="issues invoices",
    ),
)
