"""What a firm's staff may do in the admin: a group of Django permissions."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

STAFF = "Firm staff"

_VIEW = (
    "firms",
    "contacts",
    "notifications",
    "billing",
    "documents",
    "leasing",
    "audit",
    "jobs",
)
_HIDDEN = ("user", "usersession", "runlock", "clustersign", "numbersequence")
_CHANGE = (
    "add_contact", "change_contact", "add_property", "change_property", "add_unit",
    "change_unit", "add_lease", "change_lease", "add_leaseparty", "change_leaseparty",
    "delete_leaseparty", "add_leasecharge", "change_leasecharge", "delete_leasecharge",
    "add_rentstep", "change_rentstep", "delete_rentstep", "add_propertybillingconfig",
    "change_propertybillingconfig", "add_rewardconfiguration",
    "change_rewardconfiguration", "add_notificationgroup", "change_notificationgroup",
    "delete_notificationgroup", "change_firmsettings", "change_invoice",
    "change_latefeeassessment", "change_rewardgrant", "add_signaturerequest",
    "change_signaturerequest", "add_document", "change_document",
)  # fmt: skip


def staff_group() -> Group:
    """Return the group of a firm's staff, with exactly the rights listed here.

    Which firm they may do it in is another matter: their memberships say so.
    """
    group, _ = Group.objects.get_or_create(name=STAFF)
    view = Q(codename__startswith="view_", content_type__app_label__in=_VIEW) & ~Q(
        content_type__model__in=_HIDDEN
    )
    change = Q(codename__in=_CHANGE, content_type__app_label__in=_VIEW)
    group.permissions.set(Permission.objects.filter(view | change))
    return group
