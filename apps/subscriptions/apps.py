"""The subscriptions app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SubscriptionsConfig(AppConfig):
    name = "apps.subscriptions"
    verbose_name = "Subscriptions"

    def ready(self) -> None:
        from apps.subscriptions.plans import offer_first_plans

        post_migrate.connect(offer_first_plans, sender=self)
