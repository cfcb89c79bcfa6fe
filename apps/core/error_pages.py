"""Django's page about an error, with ``DEBUG`` on: it shows variables, forms and settings."""

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict
from django.views.debug import SafeExceptionReporterFilter

# Django's own words, and ours. ``runserver`` adds the environment to each request, and in
# there the addresses of database and mail server hold passwords.
_HIDDEN = "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|CREDENTIAL|CLIENT_ID|_URL$"


class DiscreetReporterFilter(SafeExceptionReporterFilter):
    """Shows nothing under a name that a secret may have, whoever looks and wherever it is."""

    hidden_settings = re.compile(_HIDDEN, re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True  # Django's is off while DEBUG is on

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return {} if request is None else self._starred(request.POST)

    def cleanse_special_types(self, request: HttpRequest | None, value: Any) -> Any:
        if isinstance(value, MultiValueDict):
            return self._starred(value)
        return super().cleanse_special_types(request, value)

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, Any]:
        found = super().get_traceback_frame_variables(request, tb_frame)
        return {name: self._cleansed(name, value) for name, value in found}.items()

    def _cleansed(self, name: str, value: Any) -> Any:
        plain = type(value) in {str, bytes, dict, list, tuple}  # others know how to be printed
        return self.cleanse_setting(name, value) if plain else value

    def _starred(self, values: "MultiValueDict[Any, Any]") -> "MultiValueDict[Any, Any]":
        starred = QueryDict(mutable=True)
        for name in values:
            hidden = self.hidden_settings.search(str(name))
            told = [self.cleansed_substitute] if hidden else values.getlist(name)
            starred.setlist(name, told)
        return starred
