"""The command ``check_weather_alerts``."""

from apps.jobs.commands import JobCommand


class Command(JobCommand):
    job = "check_weather_alerts"
