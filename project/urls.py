"""Every address Nightshift answers on."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sign/", include("apps.documents.urls")),
    path("notifications/", include("apps.notifications.urls")),
]
