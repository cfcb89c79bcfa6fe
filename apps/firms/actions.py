"""What the admin's actions share: one service call for each row, one sentence back.

An action that needs to know more, such as a reason, asks for it on a page in between.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.core.problems import Problem

M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=forms.Form)

AT_ONCE = 200  # rows that one press may change
CONFIRMED = "confirmed"


class ReasonForm(forms.Form):
    """Why something is done: it stands in the audit trail."""

    reason = forms.CharField(
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60, "autofocus": True}),
        help_text="Kept in the audit trail.",
        error_messages={"required": "Say why."},
    )


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The page between pressing a button and its effect."""

    admin: admin.ModelAdmin[M]
    request: HttpRequest
    title: str
    button: str

    def asked(self, form_class: Callable[..., F]) -> F | None:
        """Return the form once it was filled in well, else nothing."""
        if CONFIRMED not in self.request.POST:
            return None
        form = form_class(self.request.POST)
        return form if form.is_valid() else None

    def ask(
        self,
        rows: Iterable[M],
        form_class: Callable[..., forms.Form],
        *,
        about: Callable[[Any], str] = str,
        warning: str = "",
    ) -> TemplateResponse:
        """Return the page with the rows and the form; what was typed stays."""
        sent = CONFIRMED in self.request.POST
        form = form_class(self.request.POST if sent else None)
        if sent:
            form.is_valid()
        context = {
            **self.admin.admin_site.each_context(self.request),
            "title": self.title,
            "opts": self.admin.model._meta,
            "rows": [(row.pk, about(row)) for row in rows],
            "form": form,
            "media": form.media,
            "warning": warning,
            "button": self.button,
            "action": self.request.POST["action"],
            "back": came_from(self.admin, self.request),
            "checkbox": ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
        }
        return TemplateResponse(self.request, "admin/press.html", context)


def came_from(page: admin.ModelAdmin[Any], request: HttpRequest) -> str:
    """Return the address at which a button was pressed: a row's own page, or the list."""
    options = page.model._meta
    match = request.resolver_match
    key = match.kwargs.get("object_id") if match else None
    name = f"admin:{options.app_label}_{options.model_name}"
    return reverse(f"{name}_change", args=[key]) if key else reverse(f"{name}_changelist")


def too_many(page: admin.ModelAdmin[Any], request: HttpRequest, rows: "QuerySet[Any]") -> bool:
    """Refuse to change more rows at once than a person can have looked at."""
    over = rows.count() > AT_ONCE
    if over:
        text = f"Nothing was changed: select at most {AT_ONCE} at a time."
        page.message_user(request, text, messages.ERROR)
    return over


def press_each(
    page: admin.ModelAdmin[Any],
    request: HttpRequest,
    rows: Iterable[M],
    act: Callable[[M], object],
    *,
    noun: tuple[str, str],
    done: str,
) -> None:
    """Do something to each row, each in its own transaction, and say it in one sentence.

    ``3 invoices voided, 1 skipped: INV-2025-004 is void already.``
    """
    acted, refused = 0, Counter[str]()
    for row in rows:
        try:
            act(row)
        except Problem as problem:
            refused[str(problem).rstrip(".")] += 1
        else:
            acted += 1
    parts = [f"{acted} {noun[acted != 1]} {done}"]
    if refused:
        parts.append(f"{refused.total()} skipped: {'; '.join(refused)}")
    level = messages.WARNING if refused else messages.SUCCESS
    page.message_user(request, ", ".join(parts) + ".", level)


def press_with_reason(
    page: admin.ModelAdmin[M],
    request: HttpRequest,
    rows: "QuerySet[M]",
    act: Callable[[M, str], object],
    *,
    title: str,
    noun: tuple[str, str],
    done: str,
    about: Callable[[M], str] = str,
    warning: str = "",
) -> TemplateResponse | None:
    """Ask for a reason, then ``press_each`` with it."""
    if too_many(page, request, rows):
        return None
    between = Page(page, request, title, title)
    form = between.asked(ReasonForm)
    if form is None:
        return between.ask(rows, ReasonForm, about=about, warning=warning)
    reason = str(form.cleaned_data["reason"])
    press_each(page, request, rows, lambda row: act(row, reason), noun=noun, done=done)
    return None
