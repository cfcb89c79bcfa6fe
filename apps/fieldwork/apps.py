"""The fieldwork app."""

from django.apps import AppConfig


class FieldworkConfig(AppConfig):
    name = "apps.fieldwork"
    verbose_name = "Fieldwork"
