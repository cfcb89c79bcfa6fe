"""What fieldwork does by itself, and when."""

from apps.jobs.job import Job

JOBS: tuple[Job, ...] = ()
