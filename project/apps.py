"""The admin with the project's own site."""

from django.contrib.admin.apps import AdminConfig


class NightshiftAdminConfig(AdminConfig):
    default_site = "project.admin.Nightshift"
