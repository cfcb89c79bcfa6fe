"""The console's addresses, below the admin's."""

from django.urls import path

from apps.console.pages import applying, calendar, comparison, job, jobs, run, today, why

app_name = "console"

urlpatterns = [
    path("", today.today, name="today"),
    path("calendar/", calendar.calendar, name="calendar"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<name>/", job.job, name="job"),
    path("jobs/<name>/start/", job.start, name="job-start"),
    path("jobs/<name>/pause/", job.pause, name="job-pause"),
    path("jobs/<name>/resume/", job.resume, name="job-resume"),
    path("runs/<int:pk>/acknowledge/", today.acknowledge, name="run-acknowledge"),
    path("runs/<int:pk>/", run.run, name="run"),
    path("runs/<int:pk>/items.<str:kind>", run.items, name="run-items"),
    path("runs/<int:pk>/log/", run.log, name="run-log"),
    path("runs/<int:pk>/compare/", comparison.comparison, name="run-compare"),
    path("runs/<int:pk>/cancel/", run.cancel, name="run-cancel"),
    path("runs/<int:pk>/retry/", run.retry, name="run-retry"),
    path("runs/<int:pk>/again/", run.again, name="run-again"),
    path("runs/<int:pk>/apply/", applying.apply, name="run-apply"),
    path("runs/<int:pk>/apply/confirm/", applying.confirm, name="run-apply-confirm"),
    path("why/", why.why, name="why"),
]
