"""Where in the admin the thing is that an item is about."""

from functools import cache, cached_property
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.urls import reverse

from apps.firms.models import User
from apps.jobs.models import JobRunItem


class Things:
    """Links for one person, who may look at some kinds of things of some firms."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._user: User = request.user
        self._viewable: dict[str, type[Model] | None] = {}

    def address(self, item: JobRunItem) -> str:
        """Return the address of a thing's page; empty when there is none for this person."""
        kind = item.subject_kind
        if kind not in self._viewable:
            self._viewable[kind] = self._find(kind)
        model = self._viewable[kind]
        if model is None or not self._is_of_theirs(item):
            return ""
        try:
            key = model._meta.pk.to_python(item.subject_key)
        except ValidationError:
            return ""
        meta = model._meta
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[key])

    def _find(self, kind: str) -> type[Model] | None:
        model = model_of(kind)
        page = admin.site._registry.get(model) if model else None
        return model if page and page.has_view_permission(self._request) else None

    def _is_of_theirs(self, item: JobRunItem) -> bool:
        return self._user.is_superuser or item.firm_id in self._firms

    @cached_property
    def _firms(self) -> frozenset[int]:
        return frozenset(self._user.firms().values_list("pk", flat=True))


@cache
def model_of(kind: str) -> type[Model] | None:
    """Return the model that a subject's kind names, if it names one."""
    try:
        return apps.get_model(kind)
    except (LookupError, ValueError):
        return None


def kind_in_words(kind: str) -> str:
    """Return ``lease`` for ``leasing.lease``."""
    model = model_of(kind)
    return str(model._meta.verbose_name) if model else kind
