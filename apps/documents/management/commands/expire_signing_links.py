from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "expire_signing_links"
