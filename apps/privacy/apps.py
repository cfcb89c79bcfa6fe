"""The privacy app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PrivacyConfig(AppConfig):
    name = "apps.privacy"
    verbose_name = "Privacy"

    def ready(self) -> None:
        from apps.privacy.periods import keep_default_period

        post_migrate.connect(keep_default_period, sender=self)
