"""The console's addresses, below the admin's."""

from django.urls import URLPattern

app_name = "console"

urlpatterns: list[URLPattern] = []
