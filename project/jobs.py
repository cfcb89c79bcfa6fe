"""Every job of the project, gathered as ``urls.py`` gathers routes."""

from apps.billing import jobs as billing
from apps.calendars import jobs as calendars
from apps.crm import jobs as crm
from apps.directory import jobs as directory
from apps.documents import jobs as documents
from apps.engagements import jobs as engagements
from apps.fieldwork import jobs as fieldwork
from apps.jobs import jobs
from apps.jobs.job import Job
from apps.leasing import jobs as leasing
from apps.mailbox import jobs as mailbox
from apps.monitoring import jobs as monitoring
from apps.notifications import jobs as notifications
from apps.privacy import jobs as privacy
from apps.subscriptions import jobs as subscriptions
from apps.weather import jobs as weather
from apps.webhooks import jobs as webhooks

JOBS: tuple[Job, ...] = (
    *leasing.JOBS,
    *engagements.JOBS,
    *billing.JOBS,
    *subscriptions.JOBS,
    *fieldwork.JOBS,
    *weather.JOBS,
    *crm.JOBS,
    *calendars.JOBS,
    *directory.JOBS,
    *documents.JOBS,
    *mailbox.JOBS,
    *notifications.JOBS,
    *webhooks.JOBS,
    *privacy.JOBS,
    *monitoring.JOBS,
    *jobs.JOBS,
)
