"""How deals are found."""

from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation
from apps.crm.models import Deal, StaleDealAlert

FINDERS = (
    Finder(
        model=Deal,
        columns=("title",),
        label="title",
        loads=("firm__settings",),
    ),
    Finder(
        model=StaleDealAlert,
        columns=("deal__title",),
        label="deal__title",
        loads=("firm__settings", "deal"),
    ),
)

RELATIONS = (
    Relation(
        to=Contact, rows=lambda contact: Deal.objects.filter(contact=contact), label="title"
    ),
    Relation(
        to=Deal,
        rows=lambda deal: StaleDealAlert.objects.open().filter(deal=deal),
        label="deal__title",
    ),
)
