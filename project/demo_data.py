"""Who seeds the demo world, in order, gathered as ``urls.py`` gathers routes."""

from collections.abc import Iterable
from types import ModuleType

from apps.billing import demo as billing
from apps.calendars import demo as calendars
from apps.contacts.models import Tombstone
from apps.contacts.services import find_tombstones
from apps.crm import demo as crm
from apps.directory import demo as directory
from apps.documents import demo as documents
from apps.engagements import demo as engagements
from apps.fieldwork import demo as fieldwork
from apps.firms import demo as firms
from apps.jobs import demo as jobs
from apps.leasing import demo as leasing
from apps.mailbox import demo as mailbox
from apps.notifications import demo as notifications
from apps.privacy import demo as privacy
from apps.subscriptions import demo as subscriptions
from apps.weather import demo as weather
from apps.webhooks import demo as webhooks

SEEDERS: tuple[ModuleType, ...] = (
    firms,
    webhooks,
    leasing,
    engagements,
    billing,
    subscriptions,
    mailbox,
    fieldwork,
    weather,
    crm,
    calendars,
    documents,
    directory,
    privacy,
    notifications,
    jobs,
)


def find_erased(emails: Iterable[str]) -> set[str]:
    """Return whom the demo world must not bring back: who was erased everywhere.

    Demo firms are new each time, so no firm of before has a say in it.
    """
    return find_tombstones(firm_id=None, kind=Tombstone.Kind.EMAIL, values=emails)
