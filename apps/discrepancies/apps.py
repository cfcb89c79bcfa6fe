"""The discrepancies app."""

from django.apps import AppConfig


class DiscrepanciesConfig(AppConfig):
    name = "apps.discrepancies"
    verbose_name = "Discrepancies"
