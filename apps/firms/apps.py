"""The firms app."""

from django.apps import AppConfig


class FirmsConfig(AppConfig):
    name = "apps.firms"
    verbose_name = "Firms"
