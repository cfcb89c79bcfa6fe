"""The engagements app."""

from django.apps import AppConfig


class EngagementsConfig(AppConfig):
    name = "apps.engagements"
    verbose_name = "Engagements"
