"""The command ``execute_erasure_request``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "execute_erasure_request"
