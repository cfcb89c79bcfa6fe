"""Who may do what in the console: for superusers alone."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from apps.console.models import Grant
from apps.jobs.forms import Choices
from apps.jobs.job import registry


def job_choices() -> Choices:
    """Return the declared jobs, and first that it is for all of them."""
    return [("", "every job"), *sorted((job.name, job.name) for job in registry())]


class GrantForm(forms.ModelForm[Grant]):
    job = forms.ChoiceField(choices=job_choices, required=False)

    class Meta:
        model = Grant
        fields = (
            *("user", "group", "job", "firm"),
            *("may_preview", "may_run", "may_approve", "may_pause"),
        )


@admin.register(Grant)
class GrantAdmin(admin.ModelAdmin[Grant]):
    """Whoever may write grants may do anything, so nobody but superusers may."""

    form = GrantForm
    list_display = ("__str__", "user", "group", "job", "firm")
    list_filter = ("may_preview", "may_run", "may_approve", "may_pause")
    list_select_related = ("user", "group", "firm")
    search_fields = ("user__username", "group__name", "job", "firm__name")
    autocomplete_fields = ("user", "group", "firm")
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)
