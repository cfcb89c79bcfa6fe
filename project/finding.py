"""How things are found, gathered from every app as ``urls.py`` gathers routes."""

from apps.billing import finding as billing
from apps.calendars import finding as calendars
from apps.contacts import finding as contacts
from apps.core.finding import Finder, Relation
from apps.crm import finding as crm
from apps.directory import finding as directory
from apps.documents import finding as documents
from apps.engagements import finding as engagements
from apps.fieldwork import finding as fieldwork
from apps.firms import finding as firms
from apps.leasing import finding as leasing
from apps.mailbox import finding as mailbox
from apps.notifications import finding as notifications
from apps.privacy import finding as privacy
from apps.subscriptions import finding as subscriptions

# In the order in which results are shown.
FINDERS: tuple[Finder, ...] = (
    *billing.FINDERS,
    *leasing.FINDERS,
    *engagements.FINDERS,
    *contacts.FINDERS,
    *fieldwork.FINDERS,
    *crm.FINDERS,
    *documents.FINDERS,
    *calendars.FINDERS,
    *mailbox.FINDERS,
    *directory.FINDERS,
    *subscriptions.FINDERS,
    *notifications.FINDERS,
    *privacy.FINDERS,
    *firms.FINDERS,
)

RELATIONS: tuple[Relation, ...] = (
    *billing.RELATIONS,
    *leasing.RELATIONS,
    *engagements.RELATIONS,
    *fieldwork.RELATIONS,
    *crm.RELATIONS,
    *documents.RELATIONS,
    *directory.RELATIONS,
    *subscriptions.RELATIONS,
    *notifications.RELATIONS,
    *privacy.RELATIONS,
)
