"""File requests, and what came for them."""

from datetime import UTC, date, datetime

import factory
from factory.django import DjangoModelFactory

from apps.documents.models import FileRequest, FileRequestItem, ReceivedFile, UploadLink
from tests.factories.documents import FileFactory
from tests.factories.people import ContactFactory


class FileRequestFactory(DjangoModelFactory[FileRequest]):
    """Asked on 1 June 2025 for nothing: the test adds the items, or ``items=[...]`` does."""

    class Meta:
        model = FileRequest
        skip_postgeneration_save = True

    contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("contact.firm")
    title = "Tax return 2024"
    asked_on = date(2025, 6, 1)

    @factory.post_generation
    def items(obj: FileRequest, create: bool, extracted: list[str] | None, **_: object) -> None:  # noqa: N805
        for title in extracted or ["Bank statements"]:
            FileRequestItem.objects.create(firm=obj.firm, request=obj, title=title)


class FileRequestItemFactory(DjangoModelFactory[FileRequestItem]):
    class Meta:
        model = FileRequestItem

    request = factory.SubFactory(FileRequestFactory)
    firm = factory.SelfAttribute("request.firm")
    title = factory.Sequence(lambda n: f"Receipt {n}")


class ReceivedFileFactory(DjangoModelFactory[ReceivedFile]):
    class Meta:
        model = ReceivedFile

    item = factory.SubFactory(FileRequestItemFactory)
    firm = factory.SelfAttribute("item.firm")
    document = factory.SubFactory(
        FileFactory,
        firm=factory.SelfAttribute("..firm"),
        owner=factory.SelfAttribute("..item.request.contact"),
    )
    sha256 = factory.Sequence(lambda n: f"{n:064}")
    received_at = datetime(2025, 6, 5, 12, 0, tzinfo=UTC)


class UploadLinkFactory(DjangoModelFactory[UploadLink]):
    class Meta:
        model = UploadLink

    contact = factory.SubFactory(ContactFactory)
    firm = factory.SelfAttribute("contact.firm")
    message = factory.Sequence(lambda n: f"files-requested:{n}")
    token_nonce = factory.Sequence(lambda n: f"{n:064}")
    token_hash = factory.Sequence(lambda n: f"{n:064}")
    created_at = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
    expires_at = datetime(2025, 6, 8, 12, 0, tzinfo=UTC)
