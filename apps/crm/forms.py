"""What people type about deals; each refusal is a sentence at its field."""

from datetime import date, datetime, time
from typing import Any, ClassVar

from django import forms
from django.db.models import Q, QuerySet

from apps.crm.models import DealActivity, Stage
from apps.firms.actions import ReasonForm
from apps.firms.admin import FirmScopedForm
from apps.firms.models import User
from apps.firms.rights import people_at


class StageField(forms.ModelChoiceField[Stage]):
    """A stage, named with its pipeline: several have a *Proposal*."""

    def label_from_instance(self, obj: Stage) -> str:
        return f"{obj.pipeline}: {obj}"


class PersonField(forms.ModelChoiceField[User]):
    """Somebody by their name."""

    def label_from_instance(self, obj: User) -> str:
        return obj.get_full_name() or obj.get_username()


class ColleagueForm(FirmScopedForm[Any]):
    """A row that names somebody who works at its firm; whoever has left may stay in it."""

    colleague: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get(self.colleague)
        if isinstance(field, forms.ModelChoiceField):
            people, firm_id = field.queryset, getattr(self.instance, "firm_id", None)
            if firm_id:
                now = getattr(self.instance, f"{self.colleague}_id")
                here = Q(pk__in=people_at(firm_id).values("pk"), is_staff=True)
                people = User.objects.filter(here | Q(pk=now))
            self.fields[self.colleague] = PersonField(
                people, required=False, label=field.label, help_text=field.help_text
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        firm = cleaned.get("firm")
        firm_id = firm.pk if firm else getattr(self.instance, "firm_id", None)
        chosen = cleaned.get(self.colleague) if self.colleague in self.changed_data else None
        if chosen and firm_id and not people_at(firm_id).filter(pk=chosen.pk).exists():
            self.add_error(self.colleague, f"{chosen} does not work here.")
        return cleaned


class PipelineForm(ColleagueForm):
    colleague = "manager"


class DealForm(ColleagueForm):
    colleague = "owner"


# ---- on the page between a press and its effect ---------------------------------------------


class MoveForm(forms.Form):
    """Where to."""

    def __init__(self, *args: Any, stages: "QuerySet[Stage]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stage"] = StageField(stages)


class HandOverForm(forms.Form):
    """Who takes it over."""

    def __init__(self, *args: Any, people: "QuerySet[User]", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"] = PersonField(people, required=False, empty_label="Nobody")


class SnoozeForm(ReasonForm):
    """Until when, and why."""

    until = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="From this day on it may be stale again.",
    )
    field_order = ("until", "reason")


class ActivityForm(forms.Form):
    """What was done or is to be done, and when on the firm's own clock."""

    type = forms.ChoiceField(
        choices=[
            choice
            for choice in DealActivity.Type.choices
            if choice[0] != DealActivity.Type.CHANGE
        ]
    )
    day = forms.DateField(
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="What is still to come is a plan.",
    )
    at = forms.TimeField(label="Time", widget=forms.TimeInput(attrs={"type": "time"}))
    note = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, *args: Any, local: datetime, **kwargs: Any) -> None:
        kwargs["initial"] = {"day": local.date().isoformat(), "at": f"{local:%H:%M}"}
        super().__init__(*args, **kwargs)

    def clean_type(self) -> DealActivity.Type:
        return DealActivity.Type(self.cleaned_data["type"])

    @property
    def when(self) -> tuple[date, time]:
        """The day and the time of day, as a clock on the wall shows them."""
        return self.cleaned_data["day"], self.cleaned_data["at"]
