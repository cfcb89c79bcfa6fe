"""Schedules, runs, their items and locks, as staff may see them.

Who holds ``jobs.view_jobrun`` but is no superuser sees the runs that touched firms of their
own, without what a run's totals, words and arguments tell about other firms, and of the
items those of their own firms.
"""

from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

import django_q.admin  # noqa: F401 - registers its own pages first, so that ours replace them
from django.contrib import admin, messages
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success, Task

from apps.core import money
from apps.core.problems import BadOption
from apps.core.reports import Outcome
from apps.jobs.forms import ScheduleForm
from apps.jobs.interventions import release_expired
from apps.jobs.job import registry
from apps.jobs.models import JobRun, JobRunItem, RunLock
from apps.jobs.schedules import check_cron, cron_in_words, job_of, next_times

M = TypeVar("M", bound=Model)

NOTHING = "–"

for theirs in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(theirs)


class RecordAdmin(admin.ModelAdmin[M], Generic[M]):
    """A page that is only looked at. Others than superusers see ``open_fields`` of it."""

    actions: Any = None
    list_per_page = 50
    show_full_result_count = False
    open_fields: tuple[str, ...] = ()
    open_columns: tuple[str, ...] = ()
    open_filters: tuple[str, ...] = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display if request.user.is_superuser else self.open_columns

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        return self.fields if request.user.is_superuser else self.open_fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A filter typed into the address must not answer what the page does not show."""
        name, _, _ = lookup.partition("__")
        if not request.user.is_superuser and name not in self.open_filters:
            return False
        return super().lookup_allowed(lookup, value, request)


class JobFilter(admin.SimpleListFilter):
    """Runs of one declared job; asking the table for its jobs would read all of it."""

    title = "job"
    parameter_name = "of"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted((job.name, job.name) for job in registry())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(job=self.value()) if self.value() else queryset


@admin.register(JobRun)
class JobRunAdmin(RecordAdmin[JobRun]):
    """The record as it is. What may be done about a run is done in the console."""

    list_display = (
        *("__str__", "ended", "outcomes", "amounts", "started_at", "duration", "who"),
        *("items_link", "in_console"),
    )
    open_columns = (
        *("__str__", "ended", "source", "started_at", "duration"),
        *("items_link", "in_console"),
    )
    list_filter = ("state", JobFilter, "source", "dry_run", "started_at")
    open_filters = ("state", "of", "source", "dry_run", "started_at")
    list_select_related = ("started_by",)
    search_fields = ("job", "=task_id")
    search_help_text = "A job's name or a task's id; what a run did is found among its items."
    ordering = ("-started_at",)
    fields = (
        *("job", "in_console", "arguments", "state", "problem", "summary", "amounts"),
        "items_link",
        *("done", "skipped", "declined", "failed", "stale", "expected"),
        *(
            "dry_run",
            "preview",
            "retry_of",
            "source",
            "who",
            "schedule_name",
            "task_id",
            "worker",
            "starts",
        ),
        *("queued_at", "wait", "started_at", "heartbeat_at", "ended_at", "duration"),
        *("cancel_requested_at", "cancel_requested_by"),
    )
    open_fields = (
        *("job", "in_console", "state", "dry_run", "source", "items_link"),
        *("queued_at", "wait", "started_at", "ended_at", "duration", "cancel_requested_at"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRun]:
        runs = super().get_queryset(request)
        if request.user.is_superuser:
            return runs
        return runs.filter(pk__in=items_for(request).values("run"))

    @admin.display(description="state", ordering="state")
    def ended(self, run: JobRun) -> str:
        return run.get_state_display() + (" (dry run)" if run.dry_run else "")

    @admin.display(description="what came of it")
    def outcomes(self, run: JobRun) -> str:
        counts = ((getattr(run, outcome), outcome.label.lower()) for outcome in Outcome)
        return ", ".join(f"{count} {name}" for count, name in counts if count) or NOTHING

    @admin.display(description="started by")
    def who(self, run: JobRun) -> str:
        if run.started_by:
            return str(run.started_by)
        named = run.schedule_name not in {"", run.job}
        return run.get_source_display() + (f" “{run.schedule_name}”" if named else "")

    @admin.display(description="money")
    def amounts(self, run: JobRun) -> str:
        return money.write_totals(run.totals) if run.money else NOTHING

    @admin.display(description="took")
    def duration(self, run: JobRun) -> str:
        return in_seconds(run.took)

    @admin.display(description="waited")
    def wait(self, run: JobRun) -> str:
        return in_seconds(run.waited)

    @admin.display(description="items")
    def items_link(self, run: JobRun) -> SafeString:
        address = reverse("admin:jobs_jobrunitem_changelist")
        return format_html('<a href="{}?run={}">items</a>', address, run.pk)

    @admin.display(description="console")
    def in_console(self, run: JobRun) -> SafeString:
        """Link to where a run can be watched, stopped, retried or applied."""
        return format_html('<a href="{}">open</a>', reverse("console:run", args=[run.pk]))


@admin.register(JobRunItem)
class JobRunItemAdmin(RecordAdmin[JobRunItem]):
    """What runs decided; reached from a run with ``?run=``."""

    list_display = (
        *("subject_label", "subject_part", "outcome", "action", "sum", "reason", "detail"),
        *("firm", "run"),
    )
    open_columns = list_display
    list_filter = ("outcome",)
    open_filters = ("run", "outcome")
    list_select_related = ("run", "firm")
    search_fields = ("subject_label", "=subject_key")
    fields = (
        *("run", "position", "firm", "subject_kind", "subject_key", "subject_part"),
        *("subject_label", "outcome", "action", "sum", "reason", "detail", "recorded_at"),
    )
    open_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[JobRunItem]:
        return items_for(request)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("position",) if "run" in request.GET else ("-pk",)

    def has_view_permission(self, request: HttpRequest, obj: JobRunItem | None = None) -> bool:
        return bool(request.user.has_perm("jobs.view_jobrun"))

    @admin.display(description="amount")
    def sum(self, item: JobRunItem) -> str:
        return money.write(item.amount) if item.amount is not None else NOTHING


@admin.register(RunLock)
class RunLockAdmin(RecordAdmin[RunLock]):
    """For superusers: who holds what, and letting go of what a dead run held."""

    list_display = ("job", "scope", "held", "run", "fence", "taken_at", "expires_at")
    list_select_related = ("run",)
    search_fields = ("job",)
    ordering = ("job", "scope")
    actions = ("release",)
    fields = ("job", "scope", "run", "fence", "taken_at", "expires_at")

    def has_view_permission(self, request: HttpRequest, obj: RunLock | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @admin.action(description="Release selected locks that have expired", permissions=["view"])
    def release(self, request: HttpRequest, queryset: QuerySet[RunLock]) -> None:
        selected = queryset.count()
        released = release_expired(RunLock.objects.filter(pk__in=queryset.values("pk")))
        kept = selected - released
        text = f"{released} locks released"
        text += f", {kept} skipped: not held, or their lease still runs." if kept else "."
        self.message_user(request, text, messages.SUCCESS if released else messages.WARNING)

    @admin.display(boolean=True)
    def held(self, lock: RunLock) -> bool:
        return lock.expires_at is not None and lock.expires_at > timezone.now()


@admin.register(Schedule)
class ScheduleAdmin(admin.ModelAdmin[Schedule]):
    """When jobs run. Whoever may add a schedule may run any job for every firm."""

    form = ScheduleForm
    list_display = ("called", "job", "when", "kwargs", "repeating", "next_run", "last_run")
    list_filter = ("schedule_type", "cluster")
    search_fields = ("name", "func")
    ordering = ("func", "pk")
    show_full_result_count = False
    readonly_fields = ("when", "next_times", "last_run")
    fieldsets = (
        (None, {"fields": ("name", "func", "kwargs")}),
        (
            "When (UTC)",
            {
                "fields": (
                    *("schedule_type", "cron", "minutes", "repeats", "next_run"),
                    *("when", "next_times", "last_run"),
                )
            },
        ),
        (
            "Not used by jobs",
            {
                "classes": ("collapse",),
                "fields": ("cluster", "args", "hook", "intended_date_kwarg"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        runs = JobRun.objects.filter(task_id=OuterRef("task")).exclude(task_id="")
        runs = runs.exclude(state=JobRun.State.DUPLICATE)
        rows: QuerySet[Schedule] = (
            super()
            .get_queryset(request)
            .annotate(
                run_id=Subquery(runs.values("pk")[:1]),
                run_state=Subquery(runs.values("state")[:1]),
            )
        )
        return rows

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        return {"schedule_type": Schedule.CRON, **super().get_changeform_initial_data(request)}

    def save_model(
        self, request: HttpRequest, obj: Schedule, form: ScheduleForm, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if obj.schedule_type == Schedule.CRON:
            self.message_user(request, f"{self.when(obj)} (UTC). Next: {self.next_times(obj)}.")

    @admin.display(description="schedule", ordering="name")
    def called(self, schedule: Schedule) -> str:
        return schedule.name or f"Schedule {schedule.pk}"

    @admin.display(ordering="func")
    def job(self, schedule: Schedule) -> str:
        job = job_of(schedule.func)
        return job.name if job else f"{schedule.func} (not a job)"

    @admin.display(description="when (UTC)")
    def when(self, schedule: Schedule) -> str:
        if not schedule.pk:
            return NOTHING
        if schedule.schedule_type == Schedule.CRON:
            try:
                check_cron(schedule.cron or "")
            except BadOption as problem:
                return str(problem)
            return cron_in_words(schedule.cron)
        if schedule.schedule_type == Schedule.MINUTES:
            return f"Every {schedule.minutes} minutes"
        return str(schedule.get_schedule_type_display())

    @admin.display(description="next three times")
    def next_times(self, schedule: Schedule) -> str:
        try:
            check_cron(schedule.cron or "")
        except BadOption:
            return NOTHING
        times = next_times(schedule.cron, count=3, after=timezone.now())
        return ", ".join(f"{at:%Y-%m-%d %H:%M}" for at in times)

    @admin.display(description="repeats", ordering="repeats")
    def repeating(self, schedule: Schedule) -> str:
        words = {-1: "for ever", 0: "paused"}
        return words.get(schedule.repeats, f"{schedule.repeats} times more")

    @admin.display(description="last run")
    def last_run(self, schedule: Schedule) -> str:
        run_id = getattr(schedule, "run_id", None)
        if run_id is None:
            return NOTHING
        address = reverse("admin:jobs_jobrun_change", args=[run_id])
        state = JobRun.State(cast("Any", schedule).run_state).label
        return format_html('<a href="{}">#{} {}</a>', address, run_id, state)


class TaskAdmin(RecordAdmin[Task]):
    """Django-Q2's own ledger. Its pages let viewers resubmit and delete; ours do not."""

    list_display = ("name", "func", "cluster", "queued", "stopped", "attempt_count")
    open_columns = list_display
    list_filter = ("cluster", "stopped")
    open_filters = ("cluster", "stopped")
    search_fields = ("=id", "name", "func")
    ordering = ("-stopped",)
    open_fields = ("id", "name", "func", "cluster", "queued", "stopped", "attempt_count")
    fields = (*open_fields, "group", "hook", "args", "kwargs", "result")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        """Leave the pickles unread until somebody who may see them opens one task."""
        return super().get_queryset(request).defer("args", "kwargs", "result")

    @admin.display(description="queued", ordering="started")
    def queued(self, task: Task) -> Any:
        return task.started  # Django-Q2 calls it so, but it is the time of enqueueing


@admin.register(OrmQ)
class QueueAdmin(RecordAdmin[OrmQ]):
    """What waits. ``manage.py qflush`` empties it; single packages are nobody's to edit."""

    list_display = ("id", "key", "name", "func", "lock", "task_id")
    open_columns = list_display
    list_filter = ("key",)
    open_filters = ("key",)
    ordering = ("pk",)
    open_fields = ("key", "lock", "task_id", "name", "func")
    fields = (*open_fields, "group", "args", "kwargs", "q_options")


admin.site.register(Success, TaskAdmin)
admin.site.register(Failure, TaskAdmin)


def who(request: HttpRequest) -> Any:
    """Return the person who asks; ``firms`` is above us, so its ``User`` is not named."""
    return request.user


def items_for(request: HttpRequest) -> QuerySet[JobRunItem]:
    """Return the items a person may see: all for a superuser, else those of own firms."""
    items = JobRunItem.objects.all()
    if request.user.is_superuser:
        return items
    return items.filter(firm__in=who(request).firms())


def in_seconds(length: timedelta | None) -> str:
    """Write a duration as ``0:01:07``."""
    return NOTHING if length is None else str(timedelta(seconds=round(length.total_seconds())))
