"""The console's addresses, below the admin's."""

from django.urls import path

from apps.console.pages import calendar, job, jobs, today

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
]
