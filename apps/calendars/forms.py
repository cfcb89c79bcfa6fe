"""What people type about events and rules; each refusal is a sentence at its field."""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms

from apps.calendars.actions import actions
from apps.calendars.models import CalendarEvent, EventAttendee, WorkflowRule
from apps.calendars.services.rules import check_rule
from apps.core.days import DAY, local_instant, local_midnight, zone
from apps.core.problems import Problem
from apps.firms.admin import FirmScopedForm
from apps.firms.models import User
from apps.firms.rights import people_at


def _day(label: str) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}))


def _hour(label: str) -> forms.TimeField:
    widget = forms.TimeInput(attrs={"type": "time"})
    return forms.TimeField(label=label, required=False, widget=widget)


class PersonField(forms.ModelChoiceField[User]):
    """Somebody by their name."""

    def label_from_instance(self, obj: User) -> str:
        return obj.get_full_name() or obj.get_username()


class EventForm(FirmScopedForm[CalendarEvent]):
    """An event, in days and hours as a clock in its zone shows them."""

    first_day, last_day = _day("From"), _day("To")
    begins, ends = _hour("From (time)"), _hour("To (time)")

    class Meta:
        field_classes = {"organiser": PersonField}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        event = self.instance
        if event.pk:
            here = zone(event.timezone)
            first, last = event.starts_at.astimezone(here), event.ends_at.astimezone(here)
            self.initial["first_day"] = first.date()
            self.initial["last_day"] = last.date() - event.all_day * DAY
            self.initial["begins"], self.initial["ends"] = first.time(), last.time()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        self._check_organiser(cleaned)
        if not self.errors:
            try:
                self._set_instants(cleaned)
            except Problem as problem:  # the column's own check comes later
                self.add_error("timezone", str(problem))
        return cleaned

    def _check_organiser(self, cleaned: dict[str, Any]) -> None:
        firm, chosen = cleaned.get("firm"), cleaned.get("organiser")
        firm_id = firm.pk if firm else self.instance.firm_id
        if chosen and firm_id and not people_at(firm_id).filter(pk=chosen.pk).exists():
            self.add_error("organiser", f"{chosen} does not work here.")

    def _set_instants(self, cleaned: dict[str, Any]) -> None:
        first, last, place = (cleaned[name] for name in ("first_day", "last_day", "timezone"))
        event = self.instance
        if cleaned["all_day"]:
            event.starts_at = local_midnight(first, place)
            event.ends_at = local_midnight(last + DAY, place)
        else:
            for name in ("begins", "ends"):
                if cleaned[name] is None:
                    self.add_error(name, "Say when, or that it takes whole days.")
                    return
            event.starts_at = _instant(first, cleaned["begins"], place)
            event.ends_at = _instant(last, cleaned["ends"], place)
        if event.ends_at < event.starts_at:
            self.add_error("last_day", "It would end before it begins.")


class AttendeeForm(FirmScopedForm[EventAttendee]):
    """Either a contact or a colleague."""

    class Meta:
        field_classes = {"user": PersonField}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        contact, user = cleaned.get("contact"), cleaned.get("user")
        if not self.errors and bool(contact) == bool(user):
            self.add_error("contact", "Choose a contact or a colleague.")
        firm_id = getattr(self.parent, "firm_id", None)
        if user and firm_id and not people_at(firm_id).filter(pk=user.pk).exists():
            self.add_error("user", f"{user} does not work here.")
        return cleaned


class RuleForm(FirmScopedForm[WorkflowRule]):
    """A rule: what, when, and whether it can ever do anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "action" in self.fields:
            choices = [(name, action.label) for name, action in actions().items()]
            self.fields["action"] = forms.ChoiceField(choices=choices)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            typed = {name: cleaned[name] for name in cleaned if name != "firm"}
            try:
                check_rule(WorkflowRule(**typed))
            except Problem as problem:
                self.add_error(None, str(problem))
        return cleaned


def _instant(day: date, at: time, place: str) -> datetime:
    return local_instant(day, at, place).astimezone(UTC)
