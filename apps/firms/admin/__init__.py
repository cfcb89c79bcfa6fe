"""What staff see of firms; and how every other app's admin keeps to its firm."""

from apps.firms.admin.pages import (
    FirmAdmin,
    FirmSettingsAdmin,
    MembershipAdmin,
    PersonAdmin,
    RetentionPolicyAdmin,
)
from apps.firms.admin.scoping import (
    ELSEWHERE,
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedFields,
    FirmScopedForm,
    FirmScopedFormSet,
    FirmScopedInline,
    InlineFields,
    ReadOnly,
    ReadOnlyInline,
    firms_with_role,
    has_role,
    visible_firms,
    who,
)

__all__ = [
    "ELSEWHERE",
    "FirmAdmin",
    "FirmFilter",
    "FirmScopedAdmin",
    "FirmScopedFields",
    "FirmScopedForm",
    "FirmScopedFormSet",
    "FirmScopedInline",
    "FirmSettingsAdmin",
    "InlineFields",
    "MembershipAdmin",
    "PersonAdmin",
    "ReadOnly",
    "ReadOnlyInline",
    "RetentionPolicyAdmin",
    "firms_with_role",
    "has_role",
    "visible_firms",
    "who",
]
