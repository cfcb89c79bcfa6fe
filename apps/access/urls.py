"""Where people look after their second factor; below the admin's address."""

from django.urls import path

from apps.access import views

app_name = "second-factor"
urlpatterns = [
    path("", views.overview, name="overview"),
    path("begin/", views.begin, name="begin"),
    path("set-up/", views.set_up, name="set-up"),
    path("code/", views.Code.as_view(), name="code"),
    path("backup-codes/", views.backup_codes, name="backup-codes"),
    path("off/", views.off, name="off"),
]
