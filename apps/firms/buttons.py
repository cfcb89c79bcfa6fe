"""Buttons on a row's own page: the list's actions, for this row alone."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import model_format_dict, unquote
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST

from apps.firms.actions import came_from

M = TypeVar("M", bound=Model)


class Buttons(admin.ModelAdmin[M], Generic[M]):
    """Offers what the list does also on a row's own page; goes before ``FirmScopedAdmin``.

    ``buttons`` names the actions that make sense for a row as it is, in the order in which
    people want them, and ``ways`` where else one may go from here. Whether somebody may press
    one is the action's permission; whether it can be done, the service says.
    """

    change_form_template = "admin/buttons.html"

    def buttons(self, row: M) -> Sequence[str]:
        raise NotImplementedError

    def ways(self, request: HttpRequest, row: M) -> Sequence[tuple[str, str]]:
        """Return labels and addresses."""
        return ()

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_press"
        view = self.admin_site.admin_view(require_POST(self.press_view))
        return [path("<path:object_id>/press/", view, name=name), *super().get_urls()]

    def press_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Do to one row what a button says, then show its page again."""
        row = self.get_object(request, unquote(object_id))
        action = self.get_actions(request).get(request.POST.get("action", ""))
        if row is None or action is None:
            raise Http404
        act: Any = action[0]
        answer = act(self, request, self.get_queryset(request).filter(pk=row.pk))
        return answer or HttpResponseRedirect(came_from(self, request))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        row = kwargs.get("obj")
        if row is not None:
            words = model_format_dict(self.model)
            context["buttons"] = [
                (name, action[2] % words)
                for name in self.buttons(row)
                if (action := self.get_actions(request).get(name))
            ]
            context["ways"] = self.ways(request, row)
        return super().render_change_form(request, context, *args, **kwargs)
