"""The console's addresses, below the admin's."""

from django.urls import URLPattern, path

from apps.console.pages.why import why

app_name = "console"

urlpatterns: list[URLPattern] = [
    path("why/", why, name="why"),
]
