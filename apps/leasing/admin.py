"""What staff see of leasing, and what they may press."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.billing.admin import written
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.firms.admin import FirmFilter, FirmScopedAdmin, ReadOnly, who
from apps.leasing.models import (
    JurisdictionCap,
    LateFeeAssessment,
    Lease,
    LeaseCharge,
    LeaseParty,
    Property,
    PropertyBillingConfig,
    RentPeriod,
    RentStep,
    RewardConfiguration,
    RewardGrant,
    Unit,
)
from apps.leasing.services.leases import activate_lease, check_unit_free
from apps.leasing.services.waivers import waive_late_fee


class UnitInline(admin.TabularInline[Unit, Property]):
    model = Unit
    fields = ("label", "status")
    extra = 0
    show_change_link = True


@admin.register(Property)
class PropertyAdmin(FirmScopedAdmin[Property]):
    list_display = ("name", "address", "timezone", "currency", "firm")
    list_select_related = ("firm",)
    search_fields = ("name", "address")
    autocomplete_fields = ("firm",)
    inlines = (UnitInline,)


@admin.register(Unit)
class UnitAdmin(FirmScopedAdmin[Unit]):
    list_display = ("property", "label", "status", "firm")
    list_filter = (("firm", FirmFilter), "status")
    list_select_related = ("property", "firm")
    search_fields = ("label", "property__name")
    autocomplete_fields = ("firm", "property")


class PartyInline(admin.TabularInline[LeaseParty, Lease]):
    model = LeaseParty
    fields = ("contact", "role")
    autocomplete_fields = ("contact",)
    extra = 0


class ChargeInline(admin.TabularInline[LeaseCharge, Lease]):
    model = LeaseCharge
    fields = ("kind", "amount_minor", "starts_on", "ends_on", "prorated")
    extra = 0


class RentStepInline(admin.TabularInline[RentStep, Lease]):
    model = RentStep
    fields = ("effective_from", "rent_minor")
    extra = 0


@admin.register(Lease)
class LeaseAdmin(FirmScopedAdmin[Lease]):
    list_display = ("unit", "renter", "status", "start_date", "end_date", "rent", "firm")
    list_filter = (("firm", FirmFilter), "status")
    list_select_related = ("unit__property", "account__contact", "firm")
    search_fields = ("unit__label", "unit__property__name", "account__contact__display_name")
    autocomplete_fields = ("firm", "unit", "account", "renewed_from", "agreement")
    readonly_fields = ("status",)
    inlines = (PartyInline, ChargeInline, RentStepInline)
    actions = ("put_into_force",)

    @admin.display(description="renter")
    def renter(self, lease: Lease) -> str:
        return str(lease.account.contact)

    @admin.display(description="rent", ordering="rent_minor")
    def rent(self, lease: Lease) -> str:
        return written(lease.rent_minor, lease.currency)

    @admin.action(description="Put into force", permissions=["change"])
    def put_into_force(self, request: HttpRequest, leases: "QuerySet[Lease]") -> None:
        done, problems = 0, []
        for lease in leases.select_related("unit__property"):
            try:
                activate_lease(lease=lease, actor=who(request))
            except Problem as problem:
                problems.append(str(problem))
            else:
                done += 1
        _say(self, request, f"{done} leases put into force", problems)

    def save_model(self, request: HttpRequest, obj: Lease, form: Any, change: bool) -> None:
        if obj.status in Lease.LIVING:
            check_unit_free(obj)
        super().save_model(request, obj, form, change)


@admin.register(RentPeriod)
class RentPeriodAdmin(ReadOnly, FirmScopedAdmin[RentPeriod]):
    list_display = ("lease", "period_start", "outcome", "invoice", "firm")
    list_filter = (("firm", FirmFilter), "outcome", "period_start")
    list_select_related = ("lease__unit__property", "invoice", "firm")
    search_fields = ("invoice__number", "lease__unit__label")
    ordering = ("-period_start", "-pk")


@admin.register(PropertyBillingConfig)
class PropertyBillingConfigAdmin(FirmScopedAdmin[PropertyBillingConfig]):
    list_display = (
        "property",
        "lease",
        "effective_from",
        "late_fee_type",
        "grace_days",
        "firm",
    )
    list_filter = (("firm", FirmFilter), "late_fee_type")
    list_select_related = ("property", "lease__unit__property", "firm")
    search_fields = ("property__name",)
    autocomplete_fields = ("firm", "property", "lease")


@admin.register(LateFeeAssessment)
class LateFeeAssessmentAdmin(ReadOnly, FirmScopedAdmin[LateFeeAssessment]):
    list_display = ("invoice", "assessment_key", "assessed_on", "fee", "state", "firm")
    list_filter = (("firm", FirmFilter), "state", "assessed_on")
    list_select_related = ("invoice", "firm")
    search_fields = ("invoice__number",)
    ordering = ("-assessed_on", "-pk")
    actions = ("waive",)

    @admin.display(description="fee", ordering="fee_minor")
    def fee(self, assessment: LateFeeAssessment) -> str:
        return written(assessment.fee_minor, assessment.invoice.currency)

    @admin.action(description="Waive", permissions=["change"])
    def waive(self, request: HttpRequest, assessments: "QuerySet[LateFeeAssessment]") -> None:
        clock = Clock(now=timezone.now())
        done, problems = 0, []
        for assessment in assessments.select_related("invoice", "firm"):
            try:
                waive_late_fee(
                    assessment=assessment,
                    actor=who(request),
                    reason="Waived in the admin",
                    today=assessment.firm.today(clock),
                    now=clock.now,
                )
            except Problem as problem:
                problems.append(str(problem))
            else:
                done += 1
        _say(self, request, f"{done} late fees waived", problems)


@admin.register(RewardConfiguration)
class RewardConfigurationAdmin(FirmScopedAdmin[RewardConfiguration]):
    list_display = ("kind", "threshold", "reward", "property", "starts_on", "ends_on", "firm")
    list_filter = (("firm", FirmFilter), "kind", "currency")
    list_select_related = ("property", "firm")
    autocomplete_fields = ("firm", "property")

    @admin.display(description="reward", ordering="amount_minor")
    def reward(self, programme: RewardConfiguration) -> str:
        return written(programme.amount_minor, programme.currency)


@admin.register(RewardGrant)
class RewardGrantAdmin(ReadOnly, FirmScopedAdmin[RewardGrant]):
    list_display = ("contact", "reward", "covers_from", "covers_to", "state", "needs_review")
    list_filter = (("firm", FirmFilter), "state", "needs_review")
    list_select_related = ("contact", "firm")
    search_fields = ("contact__display_name",)
    ordering = ("-pk",)

    @admin.display(description="reward", ordering="amount_minor")
    def reward(self, grant: RewardGrant) -> str:
        return written(grant.amount_minor, grant.currency)


@admin.register(JurisdictionCap)
class JurisdictionCapAdmin(admin.ModelAdmin[JurisdictionCap]):
    list_display = ("code", "currency", "max_fee_minor", "max_percent_of_rent", "source")
    search_fields = ("code",)


def _say(
    page: admin.ModelAdmin[Any], request: HttpRequest, done: str, problems: list[str]
) -> None:
    """Answer an action with one sentence: ``3 late fees waived, 1 not: …``."""
    left = f", {len(problems)} not: {'; '.join(problems)}" if problems else ""
    level = messages.WARNING if problems else messages.SUCCESS
    page.message_user(request, f"{done}{left}", level)
