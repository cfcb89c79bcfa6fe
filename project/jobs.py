"""Every job of the project, gathered as ``urls.py`` gathers routes."""

from apps.documents import jobs as documents
from apps.jobs import jobs
from apps.jobs.job import Job
from apps.leasing import jobs as leasing
from apps.notifications import jobs as notifications

JOBS: tuple[Job, ...] = (*leasing.JOBS, *documents.JOBS, *notifications.JOBS, *jobs.JOBS)
