"""A job's options as a form, and the form of a pause."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.models import Verb
from apps.console.rights import FIRMS, Rights
from apps.core import days
from apps.core.problems import BadOption
from apps.firms.models import Firm
from apps.jobs.interventions import REASON
from apps.jobs.job import Job, Literal, Option

# What a job refuses when it runs, refused already at the field, in the same words.
_CHECKS: Mapping[str, Callable[[str, Option], object]] = {
    "YYYY-MM-DD": lambda text, option: days.parse_date(text, option=option.switch),
    "YYYY-MM": lambda text, option: days.parse_month(text),
    "HH:MM": lambda text, option: days.check_gate(at=text),
    "mon,thu": lambda text, option: days.check_gate(weekdays=text),
}


class StartForm(forms.Form):
    """One field for each option of a job, but the dry run, which is a button of its own."""

    def __init__(self, job: Job, *, rights: Rights, data: Any = None) -> None:
        super().__init__(data, prefix="with", label_suffix="")
        self.job, self.rights = job, rights
        self.firms = firms_for(job, rights)
        self.confined = not (
            rights.may(Verb.RUN, job.name) or rights.may(Verb.PREVIEW, job.name)
        )
        for option in job.options:
            if option.name != "dry_run":
                self.fields[option.name] = self._field(option)

    def arguments(self, *, dry_run: bool) -> dict[str, Literal]:
        """Return what was filled in, without what is empty or as it is anyway.

        Raises ``BadOption`` for what only a preview takes.
        """
        given: dict[str, Literal] = {}
        for option in self.job.options:
            value = dry_run if option.name == "dry_run" else self.cleaned_data.get(option.name)
            if value not in (None, "") and value != option.default:
                given[option.name] = value
        if "as_of" in given and not dry_run:
            raise BadOption("--as-of can only be used with --dry-run.")
        return given

    def refuse(self, problem: BadOption) -> None:
        """Put a sentence at the field that it speaks of, else above the form."""
        text = str(problem)
        for option in self.job.options:
            if option.name in self.fields and (
                option.switch in text or f"{option.name} must" in text
            ):
                self.add_error(option.name, text)
                return
        self.add_error(None, text)

    # ---- inside -------------------------------------------------------------------------

    def _field(self, option: Option) -> forms.Field:
        words: dict[str, Any] = {
            "label": option.name.replace("_", " ").capitalize(),
            "help_text": option.help,
            "required": False,
        }
        if names_firm(option):
            return self._firm_field(option, words)
        if option.choices:
            choices = [("", _("any")), *((choice, choice) for choice in option.choices)]
            return forms.ChoiceField(choices=choices, initial=option.default, **words)
        if option.type is bool:
            return forms.BooleanField(**words)
        if option.type is int:
            return forms.IntegerField(initial=option.default, **words)
        widget = forms.TextInput({"placeholder": option.metavar})
        return forms.CharField(
            initial=option.default, widget=widget, validators=_validators(option), **words
        )

    def _firm_field(self, option: Option, words: dict[str, Any]) -> forms.Field:
        key = "pk" if option.type is int else "slug"
        only_way = self.confined and option.name == first_firm_option(self.job)
        words |= {"label": _("Firm"), "required": only_way}
        if len(self.firms) > FIRMS:
            return forms.IntegerField(**words) if key == "pk" else forms.CharField(**words)
        every = [] if only_way else [("", _("every firm"))]
        choices = [*every, *((str(getattr(firm, key)), firm.name) for firm in self.firms)]
        if key == "pk":
            return forms.TypedChoiceField(
                choices=choices, coerce=int, empty_value=None, **words
            )
        return forms.ChoiceField(choices=choices, **words)


class PauseForm(forms.Form):
    """Until when, and why."""

    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("Until (UTC)"),
        help_text=gettext_lazy("Empty: until somebody resumes it."),
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    reason = forms.CharField(
        required=False,
        label=gettext_lazy("Reason"),
        widget=forms.TextInput({"maxlength": REASON}),
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, prefix="pause", label_suffix="")

    def refuse(self, problem: BadOption) -> None:
        """Put a sentence at the field that it speaks of."""
        self.add_error("until" if "future" in str(problem) else "reason", str(problem))


def names_firm(option: Option) -> bool:
    """Tell whether an option names a firm: a *tenant* that is a number is a renter."""
    return option.name == "firm_id" or (option.name == "tenant" and option.type is str)


def first_firm_option(job: Job) -> str:
    """Return the option that confines a job to a firm, by its number rather than its slug."""
    named = sorted(option.name for option in job.options if names_firm(option))
    return named[0] if named else ""


def firms_for(job: Job, rights: Rights) -> Sequence[Firm]:
    """Return the firms that a job may be run or previewed for; too many are one too many."""
    if not first_firm_option(job):
        return []
    firms = rights.firms_for((Verb.RUN, Verb.PREVIEW), job.name)
    return list(firms.filter(is_active=True).order_by("name")[: FIRMS + 1])


def _validators(option: Option) -> list[Callable[[str], None]]:
    check = _CHECKS.get("mon,thu" if option.name == "weekdays" else option.metavar)
    if check is None:
        return []

    def validate(text: str) -> None:
        try:
            check(text, option)
        except BadOption as problem:
            raise forms.ValidationError(str(problem)) from None

    return [validate]
