"""The command ``calculate_rewards``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "calculate_rewards"
