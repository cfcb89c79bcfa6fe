"""Registers what the cluster's workers must know, and guards the schedules."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from apps.jobs import checks, schedules, worker  # noqa: F401 - registers system checks

        schedules.connect()
        worker.connect()
