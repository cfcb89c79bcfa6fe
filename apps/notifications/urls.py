"""What recipients may open."""

from django.urls import path

from apps.notifications import views

app_name = "notifications"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]
