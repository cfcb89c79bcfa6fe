"""How engagements are found."""

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation
from apps.engagements.models import Engagement

FINDERS = (
    Finder(
        model=Engagement,
        columns=("name",),
        label="name",
        loads=("firm__settings", "account__contact"),
    ),
)

RELATIONS = (
    Relation(
        to=Contact,
        rows=lambda contact: Engagement.objects.filter(account__contact=contact),
        label="name",
    ),
    Relation(
        to=Invoice,
        rows=lambda invoice: Engagement.objects.filter(periods__invoice=invoice),
        label="name",
    ),
    Relation(
        to=Engagement,
        rows=lambda engagement: Invoice.objects.filter(
            engagement_periods__engagement=engagement
        ),
        label="number",
    ),
)
