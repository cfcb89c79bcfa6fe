"""The form for schedules: it offers declared jobs and refuses what would be misread."""

from itertools import groupby
from typing import Any

from django import forms
from django.apps import apps
from django.utils import timezone
from django.utils.html import format_html
from django_q.models import Schedule

from apps.jobs.job import registry
from apps.jobs.schedules import broken_rules, job_of, next_times

Choices = list[tuple[str, Any]]


def job_choices() -> Choices:
    """Return the declared jobs by app, each as the path that a schedule names."""
    choices: Choices = [("", "---------")]
    for app, jobs in groupby(registry(), key=lambda job: job.app):
        listed = [(job.path, f"{job.name}: {job.summary}") for job in jobs]
        choices.append((str(apps.get_app_config(app).verbose_name), listed))
    return choices


class ScheduleForm(forms.ModelForm[Schedule]):
    """A schedule of a declared job; each refusal is a sentence at its field."""

    func = forms.ChoiceField(
        label="Job",
        choices=job_choices,
        error_messages={
            "invalid_choice": "'%(value)s' is not a declared job; only declared jobs can be "
            "scheduled."
        },
    )

    class Meta:
        model = Schedule
        fields = (
            "name",
            "func",
            "kwargs",
            "schedule_type",
            "cron",
            "minutes",
            "repeats",
            "next_run",
            "cluster",
            "args",
            "hook",
            "intended_date_kwarg",
        )
        widgets = {
            "kwargs": forms.Textarea(attrs={"rows": 2, "cols": 90}),
            "args": forms.TextInput(),
        }
        labels = {"kwargs": "Arguments", "args": "Positional arguments", "cron": "Cron (UTC)"}
        help_texts = {
            "kwargs": "name=value, separated by commas, such as firm_id=3, dry_run=True",
            "cron": "minute hour day month weekday, in UTC: 10 * * * * is ten past every hour",
            "repeats": "-1 = for ever, 0 = paused, otherwise so many times more",
            "next_run": "In UTC. With a cron expression it is worked out when left empty.",
            "args": "Not used by jobs; must be empty.",
            "hook": "Not used by jobs; must be empty.",
            "intended_date_kwarg": "Not used by jobs; must be empty.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["next_run"].required = False
        job = job_of(self.instance.func) if self.instance.pk else None
        if job:
            self.initial["func"] = job.path
        elif self.instance.pk:
            text = "This row names '{}', which is no job."
            self.fields["func"].help_text = format_html(text, self.instance.func)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        typed = Schedule(**{name: cleaned.get(name) for name in self.fields})
        for field, text in broken_rules(typed).items():
            if field not in self.errors:
                self.add_error(field, text)
        if (cleaned.get("repeats") or 0) < -1:
            self.add_error("repeats", "Use -1 for ever, 0 to pause, or a number of times.")
        self._find_next_run(cleaned)
        return cleaned

    def _find_next_run(self, cleaned: dict[str, Any]) -> None:
        """Work out the next run of a cron; one that was typed in stays."""
        wanted = cleaned.get("next_run")
        if cleaned.get("schedule_type") != Schedule.CRON:
            if wanted is None and "next_run" not in self.errors:
                self.add_error("next_run", "Say when it runs next.")
            return
        retimed = {"cron", "schedule_type"} & set(self.changed_data)
        typed = wanted and wanted != self.initial.get("next_run")
        if (wanted is None or (retimed and not typed)) and not self.errors:
            cleaned["next_run"] = next_times(cleaned["cron"], count=1, after=timezone.now())[0]
