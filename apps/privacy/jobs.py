"""What privacy does by itself, and when."""

from apps.firms.models import RetentionPolicy
from apps.jobs.job import DRY_RUN, FIRM_ID, Job, Option
from apps.privacy import explaining, services

DATA_TYPE = Option(
    "data_type",
    str,
    None,
    "Only this type of data.",
    choices=tuple(RetentionPolicy.DataType.values),
)
USER_ID = Option("user_id", int, None, "Whose data; must be given.", metavar="ID")
OUTPUT_DIR = Option(
    "output_dir", str, ".", "Where the file is to be; must exist.", metavar="FOLDER"
)
ONE_FIRM = Option("firm_id", int, None, "Only what this firm holds.", metavar="ID")
REQUEST_ID = Option("request_id", int, None, "Only this request.", metavar="REQUEST_ID")

JOBS: tuple[Job, ...] = (
    Job(
        service=services.execute_retention_policies,
        cron="0 1 * * 0",
        options=(FIRM_ID, DATA_TYPE, DRY_RUN),
        touches=("storage",),
        harm="deletes and anonymises records",
    ),
    # Never by itself; two exports at once do not meet.
    Job(
        service=services.export_user_data,
        options=(USER_ID, OUTPUT_DIR, ONE_FIRM, DRY_RUN),
        touches=("storage",),
        locked=False,
    ),
    Job(
        service=services.execute_erasure_request,
        cron="55 * * * *",
        options=(REQUEST_ID, DRY_RUN),
        explains=(explaining.ERASURES,),
        touches=("payments", "storage"),
        harm="erases people for good",
    ),
    Job(
        service=services.replay_erasures,
        cron="25 4 * * *",
        options=(DRY_RUN,),
        touches=("payments", "storage"),
        harm="erases people for good",
    ),
    Job(
        service=services.anonymise_retained_records,
        cron="35 4 * * *",
        options=(FIRM_ID, DRY_RUN),
        touches=("payments", "storage"),
        harm="anonymises records for good",
    ),
    Job(
        service=services.remind_of_erasure_deadlines,
        cron="45 6 * * *",
        options=(FIRM_ID, DRY_RUN),
    ),
)
