"""How invoices are found, and whose they are."""

from django.db.models import Case, Value, When

from apps.billing.models import Invoice
from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words

_LABEL = Case(When(number="", then=words(Value("draft "), "pk")), default=words("number"))

FINDERS = (
    Finder(
        model=Invoice,
        columns=("number",),
        label=_LABEL,
        loads=("firm", "account__contact", "rent_period__lease__unit__property"),
    ),
)

RELATIONS = (
    Relation(
        to=Contact,
        rows=lambda contact: Invoice.objects.filter(account__contact=contact),
        label=_LABEL,
    ),
)
