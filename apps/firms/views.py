"""Where people change their password: the admin's own page, with our form."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView, RedirectURLMixin
from django.urls import reverse

from apps.firms.forms import NewPasswordForm


class NewPasswordView(RedirectURLMixin, PasswordChangeView):
    """Goes back to the page that one was sent here from; not every owner may see the admin."""

    form_class = NewPasswordForm

    def get_default_redirect_url(self) -> str:
        return reverse("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**admin.site.each_context(self.request), **super().get_context_data(**kwargs)}
