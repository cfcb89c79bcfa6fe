"""Where upload links lead."""

from django.urls import path

from apps.documents import upload_views

app_name = "uploads"
urlpatterns = [
    path("<str:token>/", upload_views.upload, name="page"),
]
