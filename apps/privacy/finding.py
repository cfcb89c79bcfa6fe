"""How requests to be erased are found."""

from django.db.models import Value

from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words
from apps.privacy.models import ErasureRequest

_LABEL = words(Value("Erasure request "), "pk")

FINDERS = (
    Finder(
        model=ErasureRequest,
        columns=("contact__display_name", "contact__email"),
        label=_LABEL,
        loads=("firm",),
    ),
)

RELATIONS = (
    Relation(
        to=Contact,
        rows=lambda contact: ErasureRequest.objects.filter(contact=contact),
        label=_LABEL,
    ),
)
