from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "reconcile_s3"
