"""Where providers send their events."""

from django.urls import path

from apps.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("stripe/<uuid:key>/", views.inbox, {"provider": "stripe"}, name="stripe"),
    path("bog/<uuid:key>/", views.inbox, {"provider": "bog"}, name="bog"),
    path("twilio/<uuid:key>/", views.inbox, {"provider": "twilio"}, name="twilio"),
    path("mail/<uuid:key>/", views.inbox, {"provider": "mail"}, name="mail"),
    path("bog/", views.inbox, {"provider": "bog"}, name="platform_bog"),
]
