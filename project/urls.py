"""Every address Nightshift answers on."""

from django.contrib import admin
from django.urls import include, path

from apps.firms.views import NewPasswordView

urlpatterns = [
    path("admin/password_change/", NewPasswordView.as_view()),  # before the admin's own
    path("admin/second-factor/", include("apps.access.urls")),
    path("admin/console/", include("apps.console.urls")),
    path("admin/", admin.site.urls),
    path("sign/", include("apps.documents.urls")),
    path("upload/", include("apps.documents.upload_urls")),
    path("files/", include("apps.integrations.storage.urls")),
    path("subscription/", include("apps.subscriptions.urls")),
    path("pay/", include("apps.billing.urls")),
    path("notifications/", include("apps.notifications.urls")),
    path("webhooks/", include("apps.webhooks.urls")),
]
