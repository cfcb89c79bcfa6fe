"""The ledger's reports, for reading: filled by ``refresh_materialized_views`` (spec D4).

What is behind these models is in ``apps/billing/views_sql``. A report is as old as its last
refresh (``ViewState.refreshed_at``); PostgreSQL refuses to read one that was never filled,
so ask ``ViewState.objects.refreshed_at`` first.
"""

from datetime import date, datetime, timedelta
from typing import Any, Self

from django.db import models

from apps.billing.models.accounts import BillingAccount
from apps.billing.models.invoices import Invoice
from apps.firms.models import Firm


class Bucket(models.IntegerChoices):
    """For how many days a debt has been overdue, by the firm's calendar."""

    CURRENT = 0, "not yet due"
    UP_TO_30 = 1, "1–30 days"
    UP_TO_60 = 2, "31–60 days"
    UP_TO_90 = 3, "61–90 days"
    OVER_90 = 4, "over 90 days"


class OfFirm(models.QuerySet[Any]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)


class LedgerRow(models.Model):
    """One invoice, and how old what is owed on it was on the firm's day ``as_of``."""

    invoice = models.OneToOneField(
        Invoice, models.DO_NOTHING, primary_key=True, related_name="+", db_constraint=False
    )
    firm = models.ForeignKey(Firm, models.DO_NOTHING, related_name="+", db_constraint=False)
    account = models.ForeignKey(
        BillingAccount, models.DO_NOTHING, related_name="+", db_constraint=False
    )
    number = models.CharField(max_length=40)
    kind = models.CharField(max_length=7, choices=Invoice.Kind)
    status = models.CharField(max_length=11, choices=Invoice.Status)
    currency = models.CharField(max_length=3)
    issue_date = models.DateField(null=True)
    due_date = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    total_minor = models.BigIntegerField()
    late_fees_minor = models.BigIntegerField()
    paid_minor = models.BigIntegerField()
    credited_minor = models.BigIntegerField()
    open_minor = models.BigIntegerField(help_text="What is owed; nothing once it is closed.")
    bucket = models.IntegerField(choices=Bucket, null=True)
    as_of = models.DateField()

    objects = OfFirm.as_manager()

    class Meta:
        managed = False
        db_table = "mv_billing_ledger"

    def __str__(self) -> str:
        return self.number or f"draft {self.pk}"


class RevenueMonth(models.Model):
    """What a firm invoiced, collected, gave back and gave up in a local month."""

    id = models.CharField(max_length=60, primary_key=True)
    firm = models.ForeignKey(Firm, models.DO_NOTHING, related_name="+", db_constraint=False)
    currency = models.CharField(max_length=3)
    month = models.CharField(max_length=7, help_text="2025-03")
    invoiced_minor = models.BigIntegerField()
    collected_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField()
    written_off_minor = models.BigIntegerField()

    objects = OfFirm.as_manager()

    class Meta:
        managed = False
        db_table = "mv_revenue_monthly"
        verbose_name = "revenue of a month"
        verbose_name_plural = "revenue by month"

    def __str__(self) -> str:
        return f"{self.month} ({self.currency})"


class Receivables(models.Model):
    """What a firm's customers owe it, by how long it has been due."""

    id = models.CharField(max_length=60, primary_key=True)
    firm = models.ForeignKey(Firm, models.DO_NOTHING, related_name="+", db_constraint=False)
    currency = models.CharField(max_length=3)
    bucket = models.IntegerField("overdue for", choices=Bucket)
    invoices = models.BigIntegerField()
    amount_minor = models.BigIntegerField()
    as_of = models.DateField()

    objects = OfFirm.as_manager()

    class Meta:
        managed = False
        db_table = "mv_ar_aging"
        verbose_name = verbose_name_plural = "receivables by age"

    def __str__(self) -> str:
        return f"{self.get_bucket_display()} ({self.currency})"


class LedgerDay(models.Model):
    """What day it was at a firm when the ledger was last refreshed.

    A materialised view takes no parameters, and SQL knows no firm's time zone; so the refresh
    writes each firm's date here first, and the days that part the buckets.
    """

    firm = models.OneToOneField(Firm, models.CASCADE, primary_key=True, related_name="+")
    today = models.DateField()
    thirty_ago = models.DateField()
    sixty_ago = models.DateField()
    ninety_ago = models.DateField()

    def __str__(self) -> str:
        return f"{self.firm}: {self.today}"

    @classmethod
    def of(cls, firm_id: int, today: date) -> Self:
        """Return the unsaved row of a firm whose calendar shows ``today``."""
        ago = {30: "thirty_ago", 60: "sixty_ago", 90: "ninety_ago"}
        parts = {name: today - timedelta(days=days) for days, name in ago.items()}
        return cls(firm_id=firm_id, today=today, **parts)


class ViewStateQuerySet(models.QuerySet["ViewState"]):
    def refreshed_at(self, name: str) -> datetime | None:
        """Return as of when a report's figures are, or None when it was never filled."""
        return self.filter(name=name).values_list("refreshed_at", flat=True).first()


class ViewState(models.Model):
    """How a report's refreshes went: the last that worked, and the last that did not."""

    name = models.CharField(max_length=60, unique=True)
    refreshed_at = models.DateTimeField(null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField(null=True, blank=True)
    rows = models.PositiveBigIntegerField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)

    objects = ViewStateQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
