"""Deals on their way through a pipeline, what is done about them, and which have gone stale."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from moneyed import Money

from apps.contacts.models import Contact
from apps.core import money
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_currency


class Pipeline(Dated):
    """A way that deals take, stage by stage."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="pipelines")
    name = models.CharField(max_length=80)
    stale_after_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Idle days that make a deal stale; empty: as the firm says, 0: never.",
    )
    manager = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Is told of stale deals that four reminders did not move.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("firm", Lower("name"), name="crm_pipeline_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Stage(Dated):
    """How far a deal has come in its pipeline."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    pipeline = models.ForeignKey(Pipeline, models.CASCADE, related_name="stages")
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField()
    stale_after_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Empty: as the pipeline says, 0: never."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint("pipeline", Lower("name"), name="crm_stage_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class DealQuerySet(models.QuerySet["Deal"]):
    def for_firm(self, firm: Firm) -> Self:
        return self.filter(firm=firm)

    def open(self) -> Self:
        """Neither won nor lost yet."""
        return self.filter(status=Deal.Status.OPEN)


class Deal(Dated):
    """Business that may come about with somebody."""

    class Status(models.TextChoices):
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="deals")
    pipeline = models.ForeignKey(Pipeline, models.PROTECT, related_name="deals")
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="deals")
    title = models.CharField(max_length=120)
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="deals")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="deals",
        help_text="Who works on it, and is reminded when it goes stale.",
    )
    amount_minor = models.BigIntegerField(default=0, validators=[MinValueValidator(0)])
    currency = models.CharField(max_length=3, validators=[validate_currency])
    close_date = models.DateField(
        null=True, blank=True, help_text="When it is expected to be won."
    )
    status = models.CharField(max_length=4, choices=Status, default=Status.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)
    stage_entered_at = models.DateTimeField(
        help_text="When a person put it there; a machine's move does not count."
    )
    last_activity_at = models.DateTimeField(
        null=True, blank=True, help_text="The latest that a person did about it."
    )
    snoozed_until = models.DateField(
        null=True, blank=True, help_text="Not stale before this day."
    )
    is_stale = models.BooleanField("stale", default=False)
    stale_since = models.DateField(null=True, blank=True)

    objects = DealQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount_minor__gte=0), name="crm_deal_amount_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(status="open", closed_at=None)
                | Q(status__in=["won", "lost"], closed_at__isnull=False),
                name="crm_deal_closed_at",
            ),
            models.CheckConstraint(
                condition=Q(is_stale=False, stale_since=None)
                | Q(is_stale=True, stale_since__isnull=False),
                name="crm_deal_stale_since",
            ),
            models.CheckConstraint(
                condition=Q(status="open") | Q(is_stale=False), name="crm_deal_stale_is_open"
            ),
        ]
        indexes = [
            # check_stale_deals walks along these.
            models.Index(
                fields=["firm", "id"], condition=Q(status="open"), name="crm_deal_open"
            ),
            # check_stale_deals counts these, and the admin's filter shows them.
            models.Index(
                fields=["firm", "id"], condition=Q(is_stale=True), name="crm_deal_stale"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def amount(self) -> Money:
        """What it is worth when it is won."""
        return money.from_minor(self.amount_minor, self.currency)

    @property
    def touched_at(self) -> datetime:
        """When somebody last took care of it.

        Never ``updated_at``: that moves with whatever a job writes, our own flag included.
        """
        return max(
            self.created_at, self.stage_entered_at, self.last_activity_at or self.created_at
        )


class DealActivity(Dated):
    """Something that was done about a deal, or is planned to be."""

    class Type(models.TextChoices):
        CALL = "call"
        EMAIL_IN = "email_in", "E-mail received"
        EMAIL_OUT = "email_out", "E-mail sent"
        MEETING = "meeting"
        NOTE = "note"
        FILE = "file"
        CHANGE = "change", "Change of the deal"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    deal = models.ForeignKey(Deal, models.PROTECT, related_name="activities")
    type = models.CharField(max_length=9, choices=Type)
    note = models.TextField(blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    scheduled_for = models.DateTimeField(null=True, blank=True)
    occurred_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: planned, or called off."
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)
    is_automated = models.BooleanField(
        "automated", default=False, help_text="By a machine: does not count as attention."
    )

    class Meta:
        verbose_name_plural = "deal activities"
        constraints = [
            models.CheckConstraint(
                condition=Q(occurred_at__isnull=False) | Q(scheduled_for__isnull=False),
                name="crm_dealactivity_some_time",
            ),
            models.CheckConstraint(
                condition=Q(occurred_at=None) | Q(cancelled_at=None),
                name="crm_dealactivity_held_or_cancelled",
            ),
        ]
        indexes = [
            # check_stale_deals asks for these: a deal with a plan is not stale.
            models.Index(
                fields=["deal", "scheduled_for"],
                condition=Q(occurred_at=None, cancelled_at=None, is_automated=False),
                name="crm_dealactivity_planned",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_type_display()}: {self.deal}"


class StaleDealAlertQuerySet(models.QuerySet["StaleDealAlert"]):
    def open(self) -> Self:
        """Of deals that are stale."""
        return self.filter(resolved_on=None)


class StaleDealAlert(Dated):
    """A stretch of time in which a deal was stale, and who was told how often."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    deal = models.ForeignKey(Deal, models.PROTECT, related_name="alerts")
    opened_on = models.DateField()
    resolved_on = models.DateField(null=True, blank=True)
    reminder_count = models.PositiveSmallIntegerField("reminders", default=0)
    last_reminded_on = models.DateField(null=True, blank=True)
    escalated_on = models.DateField(
        null=True, blank=True, help_text="The manager was told; nobody is any more."
    )

    objects = StaleDealAlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["deal"],
                condition=Q(resolved_on=None),
                name="crm_staledealalert_one_open",
            ),
            models.CheckConstraint(
                condition=Q(reminder_count=0, last_reminded_on=None)
                | Q(reminder_count__gt=0, last_reminded_on__isnull=False),
                name="crm_staledealalert_reminded",
            ),
        ]
        indexes = [
            # send_stale_deal_reminders starts here.
            models.Index(
                fields=["firm", "last_reminded_on"],
                condition=Q(resolved_on=None, escalated_on=None),
                name="crm_staledealalert_to_remind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deal} since {self.opened_on}"
