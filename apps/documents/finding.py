"""How signing links and file requests are found."""

from django.db.models import Value

from apps.contacts.models import Contact
from apps.core.finding import Finder, Relation, words
from apps.documents.models import FileRequest, SignatureRequest

_LINK = words("document__title", Value(" for "), "signer__display_name")

FINDERS = (
    Finder(
        model=SignatureRequest,
        columns=("document__title",),
        label=_LINK,
        loads=("firm",),
    ),
    Finder(
        model=FileRequest,
        columns=("title",),
        label="title",
        loads=("firm__settings", "contact"),
    ),
)

RELATIONS = (
    Relation(
        to=Contact,
        rows=lambda contact: SignatureRequest.objects.filter(signer=contact),
        label=_LINK,
    ),
    Relation(
        to=Contact,
        rows=lambda contact: FileRequest.objects.filter(contact=contact),
        label="title",
    ),
    # Reminders are counted by person: one message says everything that is due.
    Relation(
        to=FileRequest,
        rows=lambda request: Contact.objects.filter(pk=request.contact_id),
        label="display_name",
        told=True,
    ),
)
