"""The operators' pages: preview, apply, watch, explain."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "apps.console"
    verbose_name = "Console"
