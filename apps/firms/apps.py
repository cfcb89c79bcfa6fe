"""The firms app."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out


class FirmsConfig(AppConfig):
    name = "apps.firms"
    verbose_name = "Firms"

    def ready(self) -> None:
        from apps.firms.receivers import signed_in, signed_out

        user_logged_in.connect(signed_in)
        user_logged_out.connect(signed_out)
