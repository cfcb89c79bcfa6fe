"""The installations app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class InstallationsConfig(AppConfig):
    name = "apps.installations"
    verbose_name = "Installations"

    def ready(self) -> None:
        from apps.installations.receivers import migrated

        post_migrate.connect(migrated, sender=self)
