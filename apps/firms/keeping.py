"""Pages on which only some roles of a firm say how it signs in somewhere."""

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest

from apps.core.problems import Problem
from apps.firms.actions import press_each
from apps.firms.admin import FirmScopedAdmin, firms_with_role, has_role, who
from apps.firms.models import Role

M = TypeVar("M", bound=Model)


class KeptAdmin(FirmScopedAdmin[M], Generic[M]):
    """Rows that ``keepers`` of a firm make and change, and others may look at.

    The last fieldset has what is typed and never shown again: whoever may only look does not
    find it. Nothing is deleted, for other rows name these. Saving is a service's, in
    ``save_kept``.
    """

    keepers: ClassVar[tuple[Role, ...]] = (Role.OWNER,)
    refusal: ClassVar[str] = "only the owner of a firm may"
    noun: ClassVar[tuple[str, str]]

    def keeps(self, request: HttpRequest, row: Any = None) -> bool:
        """Tell whether somebody keeps this row, or any."""
        return has_role(request, *self.keepers, firm_id=row.firm_id if row else None)

    def save_kept(self, request: HttpRequest, row: M, form: Any) -> None:
        """Save what was typed; called for those only who keep the row."""
        raise NotImplementedError

    def get_fieldsets(self, request: HttpRequest, obj: M | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        writes = obj is None or self.has_change_permission(request, obj)
        return fieldsets if writes else fieldsets[:-1]

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "firm":
            field.queryset = firms_with_role(who(request), *self.keepers).order_by("name")
        return field

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.keeps(request)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return super().has_change_permission(request, obj) and self.keeps(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        if not self.keeps(request, obj):
            raise PermissionDenied
        self.save_kept(request, obj, form)

    def press(
        self, request: HttpRequest, rows: "QuerySet[M]", act: Callable[[M], object], done: str
    ) -> None:
        """Do to each of some rows what a button says, if whoever presses keeps it."""

        def guarded(row: M) -> object:
            if not self.keeps(request, row):
                raise Problem(self.refusal)
            return act(row)

        found = rows.select_related("firm")
        press_each(self, request, found, guarded, noun=self.noun, done=done)
