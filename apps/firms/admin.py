"""What staff see of firms; and how every other app's admin keeps to its firm."""

from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Field, ForeignKey, ManyToManyField, Model, QuerySet
from django.http import HttpRequest

from apps.firms.models import (
    Firm,
    FirmSettings,
    Membership,
    MembershipRole,
    User,
)

M = TypeVar("M", bound=Model)


def visible_firms(request: HttpRequest) -> "QuerySet[Firm]":
    """Return the firms that whoever asks may see."""
    user = request.user
    return user.firms() if isinstance(user, User) else Firm.objects.none()


def who(request: HttpRequest) -> User:
    """Return the person who asks; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user


def _of_visible(model: Any, rows: Any, request: HttpRequest) -> Any:
    """Limit rows of a tenant table to visible firms; leave other tables alone."""
    names = {field.name for field in model._meta.concrete_fields}
    if model is Firm:
        return rows.filter(pk__in=visible_firms(request))
    return rows.filter(firm__in=visible_firms(request)) if "firm" in names else rows


class FirmFilter(admin.RelatedFieldListFilter):
    """Filter by firm, offering only the firms one may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(firm.pk), firm.name) for firm in visible_firms(request).order_by("name")]

    def has_output(self) -> bool:
        return len(self.lookup_choices) > 1


class FirmScopedForm(forms.ModelForm[M], Generic[M]):
    """Keeps a row and everything it points to within one firm (spec A1.2).

    Where the form does not ask for the firm, it is that of what the row points to.
    """

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        firms: dict[int, str] = {}
        for name, value in cleaned.items():
            if firm_id := getattr(value, "firm_id", None):
                firms[firm_id] = name
        row: Any = self.instance
        firm = cleaned.get("firm")
        if firm is None and firms and not row.firm_id:
            row.firm_id = next(iter(firms))
        own = firm.pk if firm is not None else row.firm_id
        for firm_id, name in firms.items():
            if firm_id != own:
                self.add_error(name, "This belongs to another firm.")
        return cleaned


class FirmScopedAdmin(admin.ModelAdmin[M], Generic[M]):
    """Shows and changes rows of the user's own firms only, whatever the address says.

    Choices of foreign keys are limited in the same way. What somebody may do is Django's
    permissions; where they may do it is this class.
    """

    form = FirmScopedForm  # type: ignore[assignment]  # one form for every model
    list_per_page = 50
    show_full_result_count = False
    list_filter: ClassVar[Any] = (("firm", FirmFilter),)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[M]":
        rows: QuerySet[M] = _of_visible(self.model, super().get_queryset(request), request)
        return rows

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        related: Any = db_field.related_model
        kwargs["queryset"] = _of_visible(related, related._default_manager.all(), request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(
        self, db_field: "ManyToManyField[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        related: Any = db_field.related_model
        kwargs["queryset"] = _of_visible(related, related._default_manager.all(), request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        firm_id = getattr(obj, "firm_id", None)
        if firm_id and not visible_firms(request).filter(pk=firm_id).exists():
            raise PermissionDenied
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Give rows of an inline their parent's firm (spec A1.2)."""
        for row in formset.save(commit=False):
            if hasattr(row, "firm_id"):
                row.firm_id = form.instance.firm_id
            row.save()
        for gone in formset.deleted_objects:
            gone.delete()
        formset.save_m2m()


class ReadOnly:
    """Nobody adds, changes or deletes these in the admin: money, runs, the outbox."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields: list[Field[Any, Any]] = self.model._meta.concrete_fields  # type: ignore[attr-defined]
        return [*(field.name for field in fields), *getattr(self, "readonly_fields", ())]


class ReadOnlyInline(ReadOnly, admin.TabularInline[Any, Any]):
    """Rows that belong to the one above and cannot be touched."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class FirmSettingsInline(admin.StackedInline[FirmSettings, Firm]):
    model = FirmSettings
    can_delete = False


@admin.register(Firm)
class FirmAdmin(FirmScopedAdmin[Firm]):
    list_display = ("name", "slug", "status", "timezone", "currency", "is_demo")
    list_filter = ("status", "is_demo")
    search_fields = ("name", "slug")
    inlines = (FirmSettingsInline,)
    readonly_fields = ("is_active", "suspended_at", "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A firm's staff change its settings, not its standing with the platform."""
        if request.user.is_superuser:
            return self.readonly_fields
        return [f.name for f in Firm._meta.concrete_fields]


class RoleInline(admin.TabularInline[MembershipRole, Membership]):
    model = MembershipRole
    exclude = ("firm",)
    extra = 0


@admin.register(Membership)
class MembershipAdmin(FirmScopedAdmin[Membership]):
    list_display = ("user", "firm", "role_names", "is_active", "blocked_by")
    list_filter = (("firm", FirmFilter), "is_active", "roles__role")
    list_select_related = ("user", "firm")
    search_fields = ("user__username", "user__first_name", "user__last_name")
    autocomplete_fields = ("user", "firm")
    inlines = (RoleInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Membership]":
        return super().get_queryset(request).prefetch_related("roles")

    @admin.display(description="roles")
    def role_names(self, membership: Membership) -> str:
        return ", ".join(role.get_role_display() for role in membership.roles.all())


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """People, for superusers: an account may belong to several firms."""

    list_display = ("username", "first_name", "last_name", "is_staff", "is_active")
    fieldsets = (
        *(UserAdmin.fieldsets or ()),
        ("Nightshift", {"fields": ("timezone", "must_change_password")}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        """For autocompletion, staff see who works in their firms."""
        people = super().get_queryset(request)
        if request.user.is_superuser:
            return people
        return people.filter(memberships__firm__in=visible_firms(request)).distinct()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)
