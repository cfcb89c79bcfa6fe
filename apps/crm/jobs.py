"""What deals do by itself, and when."""

from apps.jobs.job import Job

JOBS: tuple[Job, ...] = ()
