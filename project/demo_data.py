"""Who seeds the demo world, in order, gathered as ``urls.py`` gathers routes."""

from types import ModuleType

from apps.billing import demo as billing
from apps.crm import demo as crm
from apps.engagements import demo as engagements
from apps.fieldwork import demo as fieldwork
from apps.firms import demo as firms
from apps.jobs import demo as jobs
from apps.leasing import demo as leasing
from apps.notifications import demo as notifications
from apps.privacy import demo as privacy
from apps.subscriptions import demo as subscriptions
from apps.webhooks import demo as webhooks

SEEDERS: tuple[ModuleType, ...] = (
    firms,
    webhooks,
    leasing,
    engagements,
    billing,
    subscriptions,
    fieldwork,
    crm,
    privacy,
    notifications,
    jobs,
)
