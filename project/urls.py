"""Every address Nightshift answers on."""

from django.contrib import admin
from django.urls import include, path

admin.site.site_header = admin.site.site_title = "Nightshift"
admin.site.index_title = "What would you like to look at?"
admin.site.site_url = None  # there is no other site to view

urlpatterns = [
    path("admin/", admin.site.urls),
    path("sign/", include("apps.documents.urls")),
    path("notifications/", include("apps.notifications.urls")),
]
