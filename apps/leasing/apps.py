"""The leasing app."""

from django.apps import AppConfig


class LeasingConfig(AppConfig):
    name = "apps.leasing"
    verbose_name = "Leasing"
