"""The command ``remind_of_erasure_deadlines``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "remind_of_erasure_deadlines"
