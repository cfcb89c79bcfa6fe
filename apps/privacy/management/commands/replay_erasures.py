"""The command ``replay_erasures``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "replay_erasures"
