"""Documents."""

import factory
from factory.django import DjangoModelFactory

from apps.documents.models import Document, fingerprint
from tests.factories.people import FirmFactory


class DocumentFactory(DjangoModelFactory[Document]):
    class Meta:
        model = Document

    firm = factory.SubFactory(FirmFactory)
    title = "Residential lease"
    text = "The renter rents the unit."
    sha256 = factory.LazyAttribute(lambda o: fingerprint(o.text))
