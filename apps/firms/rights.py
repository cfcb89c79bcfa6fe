"""What a firm's staff may do in the admin, and who of them is in charge."""

from collections import defaultdict
from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

from apps.firms.models import Membership, MembershipRole, Role, User

STAFF = "Firm staff"
STAFF_ROLES = frozenset(  # of people who work in the admin
    {Role.OWNER, Role.ADMIN, Role.FACILITY_MANAGER, Role.MANAGER, Role.STAFF}
)

_VIEW = (
    "firms",
    "contacts",
    "notifications",
    "billing",
    "documents",
    "mailbox",
    "leasing",
    "engagements",
    "fieldwork",
    "weather",
    "crm",
    "calendars",
    "directory",
    "privacy",
    "audit",
    "discrepancies",
    "webhooks",
    "jobs",
)
_HIDDEN = (
    *("user", "usersession", "runlock", "jobpause", "clustersign", "numbersequence"),
    *("webhookrefusal", "webhookfingerprint", "summarymark", "uploadlink"),
    "ticketreference",
)
_CHANGE = (
    # contacts, firms, notifications, documents
    "add_contact", "change_contact", "change_firmsettings", "change_retentionpolicy",
    "add_notificationpreference", "add_notificationgroup", "change_notificationgroup",
    "delete_notificationgroup",
    "add_document", "change_document", "add_signaturerequest", "change_signaturerequest",
    "add_filerequest", "change_filerequest", "change_receivedfile",
    # leasing, engagements
    "add_property", "change_property", "add_unit", "change_unit", "add_lease", "change_lease",
    "add_leaseparty", "change_leaseparty", "delete_leaseparty", "add_leasecharge",
    "change_leasecharge", "delete_leasecharge", "add_rentstep", "change_rentstep",
    "delete_rentstep", "add_propertybillingconfig", "change_propertybillingconfig",
    "change_latefeeassessment", "add_rewardconfiguration", "change_rewardconfiguration",
    "change_rewardgrant", "add_engagement", "change_engagement", "change_engagementperiod",
    # billing, webhooks, discrepancies
    "change_invoice", "change_paymentmethod", "change_paymentattempt", "change_discrepancy",
    "add_gatewayaccount", "change_gatewayaccount", "change_webhookevent",
    # fieldwork
    "add_workorder", "change_workorder", "add_estimate", "change_estimate",
    "add_contractorprofile", "change_contractorprofile", "add_compliancerequirement",
    "change_compliancerequirement", "delete_compliancerequirement", "add_compliancedocument",
    "change_compliancedocument", "change_payoutrequest",
    # weather
    "add_weatherthreshold", "change_weatherthreshold", "delete_weatherthreshold",
    "change_weatheralert",
    # crm
    "add_pipeline", "change_pipeline", "add_stage", "change_stage", "delete_stage", "add_deal",
    "change_deal", "change_dealactivity",
    # calendars
    "add_calendarevent", "change_calendarevent", "add_eventattendee", "change_eventattendee",
    "delete_eventattendee", "add_workflowrule", "change_workflowrule",
    "change_workflowexecution",
    # directory
    "add_directoryconnection", "change_directoryconnection", "add_mappedattribute",
    "change_mappedattribute", "delete_mappedattribute", "add_mappedgroup", "change_mappedgroup",
    "delete_mappedgroup", "change_directoryidentity",
    # privacy
    "add_dataexport", "add_legalhold", "change_legalhold", "add_erasurerequest",
    "verify_erasurerequest", "approve_erasurerequest", "close_erasurerequest",
    "execute_erasurerequest",
    # mailbox
    "add_emailconnection", "change_emailconnection", "change_ticket",
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


def people_at(firm_id: int) -> "QuerySet[User]":
    """Return the people who work at a firm: active, and with an active membership there."""
    here = Membership.objects.filter(firm=firm_id, is_active=True)
    return User.objects.filter(is_active=True, pk__in=here.values("user"))


def in_charge(
    firm_ids: Iterable[int], *, roles: Iterable[Role] = (Role.OWNER, Role.ADMIN)
) -> dict[int, list[User]]:
    """Return the active people with one of these roles, by firm; one statement."""
    held = MembershipRole.objects.filter(
        firm__in=set(firm_ids),
        role__in=list(roles),
        membership__is_active=True,
        membership__user__is_active=True,
    ).select_related("membership__user")
    people: dict[int, dict[int, User]] = defaultdict(dict)
    for one in held.order_by("firm", "membership__user"):
        people[one.firm_id][one.membership.user_id] = one.membership.user
    return {firm: list(found.values()) for firm, found in people.items()}
