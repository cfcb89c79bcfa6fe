"""The monitoring app."""

from django.apps import AppConfig
from django.conf import settings


class MonitoringConfig(AppConfig):
    name = "apps.monitoring"
    verbose_name = "Monitoring"

    def ready(self) -> None:
        if settings.SENTRY_DSN:
            from apps.monitoring import errors

            errors.start(settings.SENTRY_DSN, environment=settings.ENVIRONMENT)
