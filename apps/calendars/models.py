"""What is in a firm's calendar, and what is to happen by itself before and after it."""

import uuid
from datetime import datetime, time, timedelta
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

from apps.contacts.models import Contact
from apps.core.days import local_instant, zone
from apps.core.fields import Dated
from apps.firms.models import Firm, validate_timezone

MORNING = time(9)  # when whole days begin for people, in the event's zone (spec D12)


def _new_uid() -> str:
    return str(uuid.uuid4())


class CalendarEvent(Dated):
    """A meeting or another appointment of a firm."""

    class Status(models.TextChoices):
        CONFIRMED = "confirmed"
        TENTATIVE = "tentative"
        CANCELLED = "cancelled"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="calendar_events")
    title = models.CharField(max_length=150)
    category = models.CharField(
        max_length=40, blank=True, help_text="What rules go by: client meeting."
    )
    organiser = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="Of whole days, the midnight after the last.")
    timezone = models.CharField(max_length=64, validators=[validate_timezone])
    all_day = models.BooleanField("whole days", default=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.CONFIRMED)
    external_uid = models.CharField(
        "UID", max_length=255, default=_new_uid, help_text="As other calendars know it."
    )
    sequence = models.PositiveIntegerField(default=0, help_text="How often it was changed.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gte=F("starts_at")),
                name="calendars_event_runs_forward",
            ),
            models.UniqueConstraint(
                fields=["firm", "external_uid"], name="calendars_event_uid_once"
            ),
        ]
        indexes = [
            # Saving a rule looks for what is still to come.
            models.Index(fields=["firm", "ends_at"], name="calendars_event_to_come"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def begins_at(self) -> datetime:
        """When it begins for people: whole days in the morning."""
        return self._in_the_morning(self.starts_at) if self.all_day else self.starts_at

    @property
    def is_over_at(self) -> datetime:
        """When it is over for people: whole days in the morning after them."""
        return self._in_the_morning(self.ends_at) if self.all_day else self.ends_at

    def _in_the_morning(self, at: datetime) -> datetime:
        day = at.astimezone(zone(self.timezone)).date()
        return local_instant(day, MORNING, self.timezone)


class EventAttendee(Dated):
    """Somebody who is invited: a contact of the firm, or a colleague."""

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    event = models.ForeignKey(CalendarEvent, models.CASCADE, related_name="attendees")
    contact = models.ForeignKey(
        Contact, models.CASCADE, null=True, blank=True, related_name="invitations"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="invitations",
        verbose_name="colleague",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(contact__isnull=True) ^ Q(user__isnull=True),
                name="calendars_attendee_one_person",
            ),
            models.UniqueConstraint(
                fields=["event", "contact"],
                condition=Q(contact__isnull=False),
                name="calendars_attendee_contact_once",
            ),
            models.UniqueConstraint(
                fields=["event", "user"],
                condition=Q(user__isnull=False),
                name="calendars_attendee_user_once",
            ),
        ]

    def __str__(self) -> str:
        return str(self.contact or self.user)


class WorkflowRule(Dated):
    """Something that a firm wants to happen before, after or because of its events."""

    class Trigger(models.TextChoices):
        BEFORE_START = "before_start", "before it begins"
        AFTER_END = "after_end", "after it has ended"
        ON_CREATE = "on_create", "when it is made"
        ON_RESCHEDULE = "on_reschedule", "when it is moved"
        ON_CANCEL = "on_cancel", "when it is cancelled"

    class Unit(models.TextChoices):
        MINUTES = "minutes"
        DAYS = "days"

    TIMED = (Trigger.BEFORE_START, Trigger.AFTER_END)

    firm = models.ForeignKey(Firm, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80, help_text="Meeting prep")
    category = models.CharField(
        max_length=40, blank=True, help_text="Only events of this category; empty: all."
    )
    trigger = models.CharField(max_length=13, choices=Trigger)
    offset_value = models.PositiveSmallIntegerField(
        default=0,
        help_text="Minutes are counted by the clock; days keep the time of day, "
        "whatever the clocks did in between.",
    )
    offset_unit = models.CharField(max_length=7, choices=Unit, default=Unit.MINUTES)
    action = models.CharField(max_length=30)
    text = models.TextField(blank=True, help_text="What the action says.")
    step = models.PositiveSmallIntegerField(
        default=1, help_text="Of what falls due at the same moment, the lower comes first."
    )
    is_dependent = models.BooleanField(
        "dependent", default=False, help_text="Not done when an earlier step has failed."
    )
    max_lateness_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(60 * 24 * 30)],
        help_text="Not done later than this. Usually 60 before the event, else a day.",
    )
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["firm", "name"], name="calendars_rule_name_once"),
            models.CheckConstraint(
                condition=Q(trigger__in=["before_start", "after_end"]) | Q(offset_value=0),
                name="calendars_rule_offset",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def most_late(self) -> timedelta:
        """After how long it is too late."""
        usual = 60 if self.trigger == self.Trigger.BEFORE_START else 24 * 60
        minutes = self.max_lateness_minutes
        return timedelta(minutes=usual if minutes is None else minutes)

    def due_at(self, event: CalendarEvent, *, now: datetime) -> datetime:
        """Return when it is to happen for an event.

        Days are counted on the wall clock of the event's zone, so that they have 23 or 25
        hours where the clocks change in between (spec D12).
        """
        if self.trigger not in self.TIMED:
            return now
        is_before = self.trigger == self.Trigger.BEFORE_START
        base = event.begins_at if is_before else event.is_over_at
        sign = -1 if is_before else 1
        if self.offset_unit == self.Unit.MINUTES:
            return base + sign * timedelta(minutes=self.offset_value)
        local = base.astimezone(zone(event.timezone))
        day = local.date() + sign * timedelta(days=self.offset_value)
        return local_instant(day, local.time(), event.timezone)


class WorkflowExecutionQuerySet(models.QuerySet["WorkflowExecution"]):
    def due(self, *, now: datetime) -> Self:
        """What is to be done now, and what somebody took and never brought to an end."""
        state = WorkflowExecution.Status
        waiting = Q(status=state.PENDING, scheduled_for__lte=now, next_attempt_at__lte=now)
        return self.filter(waiting | Q(status=state.RUNNING, lease_expires_at__lte=now))


class WorkflowExecution(Dated):
    """The claim that a rule has been carried out for an event as it was then."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        SKIPPED = "skipped"
        CANCELLED = "cancelled"

    firm = models.ForeignKey(Firm, models.PROTECT, related_name="+")
    rule = models.ForeignKey(WorkflowRule, models.PROTECT, related_name="executions")
    event = models.ForeignKey(CalendarEvent, models.PROTECT, related_name="executions")
    occurrence_start = models.DateTimeField(help_text="When the event began, as planned then.")
    scheduled_for = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    status = models.CharField(max_length=9, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    objects = WorkflowExecutionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "event", "occurrence_start"], name="calendars_execution_once"
            ),
            models.CheckConstraint(
                condition=~Q(status="running") | Q(lease_expires_at__isnull=False),
                name="calendars_execution_lease",
            ),
        ]
        indexes = [
            # execute_pending_workflows looks here every quarter of an hour.
            models.Index(
                fields=["scheduled_for", "id"],
                condition=Q(status__in=["pending", "running"]),
                name="calendars_execution_due",
            ),
        ]

    def __str__(self) -> str:
        return f'{self.rule} for "{self.event}" (event {self.event_id})'
