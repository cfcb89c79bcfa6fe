"""Where downloads from a local folder lead."""

from django.urls import path

from apps.integrations.storage import views

app_name = "storage"
urlpatterns = [
    path("<str:token>/", views.download, name="download"),
]
