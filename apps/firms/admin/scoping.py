"""How every app's admin keeps to its firm."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import PermissionDenied
from django.db.models import Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from apps.core.fields import Retained
from apps.core.forms import AmountField, AmountsForm, is_amount, written
from apps.core.problems import Problem
from apps.firms.models import (
    Firm,
    Membership,
    Role,
    User,
)

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)

ELSEWHERE = "This belongs to another firm."
SEE_RESTRICTED = "firms.see_restricted"  # no right of staff: somebody gives it to a person


def visible_firms(request: HttpRequest) -> "QuerySet[Firm]":
    """Return the firms that whoever asks may see."""
    user = request.user
    return user.firms() if isinstance(user, User) else Firm.objects.none()


def who(request: HttpRequest) -> User:
    """Return the person who asks; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def firms_with_role(user: User, *roles: Role) -> "QuerySet[Firm]":
    """Return the firms in which a person has one of these roles; a superuser has all."""
    if user.is_superuser:
        return Firm.objects.all()
    places = Membership.objects.filter(user=user, is_active=True, roles__role__in=roles)
    return Firm.objects.visible_to(user).filter(pk__in=places.values("firm"))


def has_role(request: HttpRequest, *roles: Role, firm_id: int | None = None) -> bool:
    """Tell whether whoever asks has one of these roles in a firm, or else in any.

    Superusers have all of them everywhere. The database is asked once a request: each link
    and each action of a page wants to know.
    """
    user = who(request)
    if user.is_superuser:
        return True
    held = user.roles_held
    some = held.values() if firm_id is None else [held.get(firm_id, set())]
    return any(held_there & set(roles) for held_there in some)


def _of_visible(model: Any, rows: Any, request: HttpRequest) -> Any:
    """Limit rows of a tenant table to visible firms, and people to those who work there.

    Leaves other tables alone, and superusers the choice of everybody. What only the law still
    keeps of people who were erased is for those who may see it.
    """
    names = {field.name for field in model._meta.concrete_fields}
    rows = _unrestricted(model, rows, request)
    if model is Firm:
        return rows.filter(pk__in=visible_firms(request))
    if model is User and not who(request).is_superuser:
        there = Membership.objects.filter(firm__in=visible_firms(request), is_active=True)
        return rows.filter(pk__in=there.values("user"))
    return rows.filter(firm__in=visible_firms(request)) if "firm" in names else rows


def _unrestricted(model: Any, rows: Any, request: HttpRequest) -> Any:
    if not issubclass(model, Retained) or request.user.has_perm(SEE_RESTRICTED):
        return rows
    return rows.filter(restricted_until=None)


def _firm_id(row: Any) -> int | None:
    """Return the firm that a row is of; of a firm, itself."""
    return row.pk if isinstance(row, Firm) else getattr(row, "firm_id", None)


def _strangers(cleaned: dict[str, Any], firm_id: int | None) -> list[str]:
    """Name the fields that point to rows of another firm than this one."""
    found = []
    for name, value in cleaned.items():
        rows = value if isinstance(value, QuerySet) else (value,)
        if any(getattr(row, "firm_id", None) not in {None, firm_id} for row in rows):
            found.append(name)
    return found


class FirmFilter(admin.RelatedFieldListFilter):
    """Filter by firm, offering only the firms one may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(firm.pk), firm.name) for firm in visible_firms(request).order_by("name")]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1


class FirmScopedForm(AmountsForm[M], Generic[M]):
    """Keeps a row and everything it points to within one firm (spec A1.2).

    Where the form does not ask for the firm, it is that of what the row points to.
    """

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        row: Any = self.instance
        firm = cleaned.get("firm")
        own: int | None = firm.pk if firm is not None else getattr(row, "firm_id", None)
        if own is None and "firm" not in self.fields and hasattr(row, "firm_id"):
            own = next((v.firm_id for v in cleaned.values() if hasattr(v, "firm_id")), None)
            row.firm_id = own
        if own is not None:
            for name in _strangers(cleaned, own):
                self.add_error(name, ELSEWHERE)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Check constraints that name the firm although the form does not ask for it."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"firm"} if _firm_id(self.instance) else excluded


class FirmScopedFormSet(forms.BaseInlineFormSet[M, P, Any], Generic[M, P]):
    """Rows of an inline: they are of their parent's firm, and so is what they point to."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {**super().get_form_kwargs(index), "parent": self.instance}

    def clean(self) -> None:
        super().clean()
        if own := _firm_id(self.instance):
            for form in self.forms:
                for name in _strangers(getattr(form, "cleaned_data", {}), own):
                    if name != self.fk.name:
                        form.add_error(name, ELSEWHERE)


class FirmScopedFields:
    """What pages and inlines have in common: choices of one's firms, and amounts.

    Columns named ``*_minor`` are shown as people write amounts, in the currency that
    ``currency`` finds for a row, and typed in the same way.
    """

    currency: Any = attrgetter("currency")
    signed: ClassVar[tuple[str, ...]] = ()  # amounts that may be below zero

    def formfield_for_dbfield(
        self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if is_amount(db_field.name):
            return AmountField.of(db_field, signed=db_field.name in self.signed)
        return super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        related: Any = db_field.related_model
        kwargs["queryset"] = _of_visible(related, related._default_manager.all(), request)
        field: forms.ModelChoiceField[Any] | None = super().formfield_for_foreignkey(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        return field

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        related: Any = db_field.related_model
        kwargs["queryset"] = _of_visible(related, related._default_manager.all(), request)
        field: forms.ModelMultipleChoiceField[Any] | None = super().formfield_for_manytomany(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        return field

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is None or self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return fieldsets
        return [(name, o | {"fields": self._written(o["fields"])}) for name, o in fieldsets]

    def _written(self, names: Iterable[Any]) -> list[Any]:
        return [written(name, self.currency) if is_amount(name) else name for name in names]


class FirmScopedAdmin(FirmScopedFields, admin.ModelAdmin[M], Generic[M]):
    """Shows and changes rows of the user's own firms only, whatever the address says.

    Choices of foreign keys are limited in the same way. What somebody may do is Django's
    permissions; where they may do it is this class. A row never changes its firm.
    """

    form = FirmScopedForm  # type: ignore[assignment]  # one form for every model
    list_per_page = 50
    show_full_result_count = False
    list_filter: ClassVar[Any] = (("firm", FirmFilter),)

    class Media:
        css = {"all": ("firms/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        rows: QuerySet[M] = _of_visible(self.model, super().get_queryset(request), request)
        return rows

    def get_list_display(self, request: HttpRequest) -> Any:
        """Name the firm only to whoever sees several."""
        names = self._written(super().get_list_display(request))
        if "firm" in names and visible_firms(request)[1:2].exists() is False:
            names.remove("firm")
        return names

    def get_readonly_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        names = tuple(super().get_readonly_fields(request, obj))
        return (*names, "firm") if obj is not None and hasattr(obj, "firm_id") else names

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        firms = list(visible_firms(request)[:2])
        only = {"firm": firms[0].pk} if len(firms) == 1 else {}
        return {**only, **super().get_changeform_initial_data(request)}

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Save, or say in a sentence why a service refuses; then nothing has changed."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Problem as problem:
            if request.method != "POST":  # sent back, it would come again
                raise
            self.message_user(request, str(problem), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        firm_id = getattr(obj, "firm_id", None)
        if firm_id and not visible_firms(request).filter(pk=firm_id).exists():
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Give rows of an inline their parent's firm (spec A1.2)."""
        for row in formset.save(commit=False):
            if hasattr(row, "firm_id"):
                row.firm_id = _firm_id(form.instance)
            row.save()
        for gone in formset.deleted_objects:
            gone.delete()
        formset.save_m2m()


class InlineFields(FirmScopedFields):
    """An inline declares its ``fields``; who may not change them reads them."""

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows = super().get_queryset(request)  # type: ignore[misc]
        shown: QuerySet[Any] = _unrestricted(rows.model, rows, request)
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):  # type: ignore[attr-defined]
            return super().get_readonly_fields(request, obj)  # type: ignore[misc]
        return flatten_fieldsets(self.get_fieldsets(request, obj))


class FirmScopedInline(InlineFields, admin.TabularInline[M, P], Generic[M, P]):
    """Rows that belong to the one above and are changed with it."""

    form = FirmScopedForm  # type: ignore[assignment]
    formset = FirmScopedFormSet  # type: ignore[assignment]
    extra = 0


class ReadOnly:
    """Nobody adds, changes or deletes these in the admin: money, runs, the outbox.

    Actions that call a service ask for ``press``: Django's right to change the rows.
    """

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_press_permission(self, request: HttpRequest) -> bool:
        options = self.model._meta  # type: ignore[attr-defined]
        return bool(request.user.has_perm(f"{options.app_label}.change_{options.model_name}"))


class ReadOnlyInline(ReadOnly, InlineFields, admin.TabularInline[Any, Any]):
    """Rows that belong to the one above and cannot be touched."""

    extra = 0
    can_delete = False
    show_change_link = False
