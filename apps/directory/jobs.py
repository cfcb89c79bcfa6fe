"""What directories do by themselves, and when."""

from apps.directory import explaining, services
from apps.jobs.job import DRY_RUN, Job, Option

FIRM_ID = Option(
    "firm_id", int, None, "This firm; without it, every firm with a directory.", metavar="ID"
)
FULL_SYNC = Option("full_sync", bool, False, "Read everybody, not only what has changed.")
FORCE = Option("force", bool, False, "Deactivate also more people than the limit says.")

JOBS: tuple[Job, ...] = (
    Job(
        service=services.sync_ad,
        cron="20 */6 * * *",  # in full with the first run of a firm's Sunday
        options=(FIRM_ID, FULL_SYNC, FORCE, DRY_RUN),
        explains=(explaining.DIRECTORIES,),
        touches=("directory",),
        harm="may shut people out",
    ),
)
