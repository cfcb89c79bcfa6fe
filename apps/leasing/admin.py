"""What staff see of leasing, and what they may press."""

from datetime import date
from functools import partial
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from apps.billing.admin import only_one, take_payment
from apps.core.days import Clock
from apps.core.forms import AmountsForm, written
from apps.firms.actions import press_each, press_with_reason, too_many
from apps.firms.admin import (
    FirmFilter,
    FirmScopedAdmin,
    FirmScopedFields,
    FirmScopedInline,
    ReadOnly,
    who,
)
from apps.leasing.forms import BillingConfigForm, LeaseForm, LeasePartForm
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
from apps.leasing.services import record_rent_payment
from apps.leasing.services.leases import activate_lease
from apps.leasing.services.waivers import waive_late_fee


class UnitInline(FirmScopedInline[Unit, Property]):
    model = Unit
    fields = ("label", "status")
    ordering = ("label",)
    show_change_link = True


@admin.register(Property)
class PropertyAdmin(FirmScopedAdmin[Property]):
    list_display = ("name", "address", "timezone", "currency", "firm")
    list_select_related = ("firm",)
    search_fields = ("name", "address")
    search_help_text = "A name or an address."
    ordering = ("name", "pk")
    autocomplete_fields = ("firm",)
    inlines = (UnitInline,)
    fields = (
        *("firm", "name", "address", "timezone", "currency", "jurisdiction"),
        ("latitude", "longitude"),
    )


@admin.register(Unit)
class UnitAdmin(FirmScopedAdmin[Unit]):
    list_display = ("__str__", "status", "firm")
    list_filter = (("firm", FirmFilter), "status")
    list_select_related = ("property", "firm")
    search_fields = ("label", "property__name")
    search_help_text = "A unit's label, or a property's name."
    ordering = ("property__name", "label", "pk")
    autocomplete_fields = ("property",)
    fields = ("property", "label", "status")


class PartyInline(FirmScopedInline[LeaseParty, Lease]):
    model = LeaseParty
    fields = ("contact", "role")
    autocomplete_fields = ("contact",)
    verbose_name = "person"
    verbose_name_plural = "people on the lease"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[LeaseParty]":
        return super().get_queryset(request).select_related("contact")


class LeasePartInline(FirmScopedInline[Any, Lease]):
    """Amounts in the currency of the lease above."""

    form = LeasePartForm
    currency = attrgetter("lease.currency")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).select_related("lease")


class ChargeInline(LeasePartInline):
    model = LeaseCharge
    signed = ("amount_minor",)
    fields = ("kind", "amount_minor", "starts_on", "ends_on", "prorated")
    verbose_name = "charge"
    verbose_name_plural = "charges beside the rent"


class RentStepInline(LeasePartInline):
    model = RentStep
    fields = ("effective_from", "rent_minor")
    verbose_name = "change of the rent"
    verbose_name_plural = "changes of the rent"


@admin.register(Lease)
class LeaseAdmin(FirmScopedAdmin[Lease]):
    form = LeaseForm
    list_display = (
        *("unit", "renter", "status", "start_date", "end_date", "rent_minor", "firm"),
    )
    list_filter = (("firm", FirmFilter), "status")
    list_select_related = ("unit__property", "account__contact", "firm")
    search_fields = ("unit__label", "unit__property__name", "account__contact__display_name")
    search_help_text = "A unit, a property or a renter."
    ordering = ("unit__property__name", "unit__label", "-start_date", "pk")
    autocomplete_fields = ("unit", "account", "renewed_from", "agreement")
    readonly_fields = ("status",)
    inlines = (PartyInline, ChargeInline, RentStepInline)
    actions = ("put_into_force", "record_payment")
    fields = (
        *("unit", "account", "status", "start_date", "end_date", "rent_minor", "due_day"),
        *("proration", "agreement", "renewed_from"),
    )

    @admin.display(description="account of", ordering="account__contact__display_name")
    def renter(self, lease: Lease) -> str:
        return str(lease.account.contact)

    def has_take_permission(self, request: HttpRequest) -> bool:
        """Whoever may act on invoices may take money for them."""
        return request.user.has_perm("billing.change_invoice")

    @admin.action(description="Put into force", permissions=["change"])
    def put_into_force(self, request: HttpRequest, leases: "QuerySet[Lease]") -> None:
        if not too_many(self, request, leases):
            press_each(
                self,
                request,
                leases.select_related("unit__property"),
                lambda lease: activate_lease(lease=lease, actor=who(request)),
                noun=("lease", "leases"),
                done="put into force",
            )

    @admin.action(description="Record a payment", permissions=["take"])
    def record_payment(
        self, request: HttpRequest, leases: "QuerySet[Lease]"
    ) -> TemplateResponse | None:
        joined = leases.select_related("unit__property", "account__contact")
        lease = only_one(self, request, joined, "lease")
        if lease is None:
            return None
        clock = Clock(now=timezone.now())
        take = partial(record_rent_payment, lease=lease, now=clock.now)
        today = lease.unit.property.today(clock)
        return take_payment(self, request, lease, take, account=lease.account, today=today)


@admin.register(RentPeriod)
class RentPeriodAdmin(ReadOnly, FirmScopedAdmin[RentPeriod]):
    list_display = ("lease", "month", "outcome", "invoice", "firm")
    list_filter = (("firm", FirmFilter), "outcome", "period_start")
    list_select_related = ("lease__unit__property", "invoice", "firm")
    search_fields = ("invoice__number", "lease__unit__label", "lease__unit__property__name")
    search_help_text = "An invoice's number, a unit or a property."
    ordering = ("-period_start", "-pk")
    fields = ("lease", "month", "outcome", "invoice")

    @admin.display(description="month", ordering="period_start")
    def month(self, period: RentPeriod) -> str:
        return f"{period.period_start:%Y-%m}"


@admin.register(PropertyBillingConfig)
class PropertyBillingConfigAdmin(FirmScopedAdmin[PropertyBillingConfig]):
    form = BillingConfigForm
    currency = staticmethod(BillingConfigForm.currency_of)
    list_display = (
        *("applies_to", "effective_from", "grace_days", "late_fee_type", "late_fee_minor"),
        *("late_fee_percent", "firm"),
    )
    list_filter = (("firm", FirmFilter), "late_fee_type")
    list_select_related = ("property", "lease__unit__property", "firm")
    search_fields = ("property__name",)
    search_help_text = "A property's name."
    ordering = ("property__name", "-effective_from", "pk")
    autocomplete_fields = ("firm", "property", "lease")
    fieldsets = (
        (
            None,
            {
                "fields": ("firm", "property", "lease", "effective_from"),
                "description": "Terms of one lease, of a property, or with both left empty "
                "of the whole firm. The most specific terms win; changing the rules means "
                "adding terms that start on a later day.",
            },
        ),
        (
            "Late fee",
            {
                "fields": (
                    *("grace_days", "next_business_day", "late_fee_type", "late_fee_minor"),
                    *("late_fee_percent", "percent_base", "max_fee_minor"),
                    *("max_percent_of_rent", "min_balance_minor", "fee_frequency"),
                    *("daily_minor", "daily_max_days"),
                )
            },
        ),
        (
            "Invoices and reminders",
            {"fields": ("invoice_lead_days", "remind_days_before", "remind_days_after")},
        ),
    )

    @admin.display(description="terms of")
    def applies_to(self, config: PropertyBillingConfig) -> str:
        return str(config.lease or config.property or config.firm)


@admin.register(LateFeeAssessment)
class LateFeeAssessmentAdmin(ReadOnly, FirmScopedAdmin[LateFeeAssessment]):
    currency = attrgetter("invoice.currency")
    list_display = ("invoice", "assessed_on", "fee_minor", "state", "assessment_key", "firm")
    list_filter = (("firm", FirmFilter), "state", "assessed_on")
    list_select_related = ("invoice", "firm")
    search_fields = ("invoice__number",)
    search_help_text = "An invoice's number."
    ordering = ("-assessed_on", "-pk")
    actions = ("waive",)
    fields = (
        *("invoice", "fee_invoice", "assessment_key", "assessed_on", "base_minor", "rate"),
        *("fee_minor", "cap_applied", "config", "state"),
    )

    @admin.action(description="Waive", permissions=["press"])
    def waive(
        self, request: HttpRequest, assessments: "QuerySet[LateFeeAssessment]"
    ) -> TemplateResponse | None:
        clock = Clock(now=timezone.now())
        homes = "invoice__rent_period__lease__unit__property"
        return press_with_reason(
            self,
            request,
            assessments.select_related("firm", homes),
            lambda assessment, reason: waive_late_fee(
                assessment=assessment,
                actor=who(request),
                reason=reason,
                today=_today_at(assessment, clock),
                now=clock.now,
            ),
            title="Waive late fees",
            noun=("late fee", "late fees"),
            done="waived",
            warning="A waived fee is credited and never charged again.",
        )


@admin.register(RewardConfiguration)
class RewardConfigurationAdmin(FirmScopedAdmin[RewardConfiguration]):
    list_display = (
        *("kind", "threshold", "amount_minor", "property", "starts_on", "ends_on", "firm"),
    )
    list_filter = (("firm", FirmFilter), "kind", "currency")
    list_select_related = ("property", "firm")
    ordering = ("-starts_on", "pk")
    autocomplete_fields = ("firm", "property")
    fields = (
        *("firm", "property", "kind", "threshold", "currency", "amount_minor"),
        *("yearly_cap_minor", "repeatable", "count_grace_as_on_time", "starts_on", "ends_on"),
    )


@admin.register(RewardGrant)
class RewardGrantAdmin(ReadOnly, FirmScopedAdmin[RewardGrant]):
    list_display = (
        *("contact", "amount_minor", "covers_from", "covers_to", "state", "needs_review"),
        "firm",
    )
    list_filter = (("firm", FirmFilter), "state", "needs_review")
    list_select_related = ("contact", "firm")
    search_fields = ("contact__display_name",)
    search_help_text = "A renter's name."
    ordering = ("-pk",)
    fields = (
        *("contact", "configuration", "amount_minor", "covers_from", "covers_to"),
        *("qualifying_key", "state", "needs_review"),
    )


@admin.register(JurisdictionCap)
class JurisdictionCapAdmin(FirmScopedFields, admin.ModelAdmin[JurisdictionCap]):
    """What the law allows, the same for every firm."""

    form = AmountsForm  # type: ignore[assignment]
    list_display = ("code", "max_fee", "max_percent_of_rent", "source")
    search_fields = ("code",)
    ordering = ("code",)
    fields = ("code", "currency", "max_fee_minor", "max_percent_of_rent", "source")

    @admin.display(description="max fee", ordering="max_fee_minor")
    def max_fee(self, cap: JurisdictionCap) -> str:
        return written("max_fee_minor", self.currency)(cap)


def _today_at(assessment: LateFeeAssessment, clock: Clock) -> date:
    """The date at the property; where the rent is of no lease, at the firm."""
    period: RentPeriod | None = getattr(assessment.invoice, "rent_period", None)
    place = period.lease.unit.property if period else assessment.firm
    return place.today(clock)
