"""Documents."""

import hashlib

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


class FileFactory(DjangoModelFactory[Document]):
    """The row of a stored file; whether the file is anywhere is for the test to say."""

    class Meta:
        model = Document

    firm = factory.SubFactory(FirmFactory)
    title = "Certificate of insurance"
    file_name = "certificate.pdf"
    content_type = "application/pdf"
    size_bytes = 9
    sha256 = hashlib.sha256(b"%PDF-1.7\n").hexdigest()
    bucket = "local folder"
    storage_key = factory.LazyAttributeSequence(lambda o, n: f"firms/{o.firm.pk}/{n}/file.pdf")
