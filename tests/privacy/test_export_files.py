"""The files that people handed in: copied under safe names, missed with a warning."""

from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from django.db.models import QuerySet
from pytest_django import Settings

from apps.core.personal import Attachment
from apps.documents.models import Document
from apps.firms.models import User
from apps.privacy.services.copying import safe_name
from tests.factories import ContactFactory, DocumentFactory, FirmFactory, UserFactory
from tests.privacy.changed_pages import change
from tests.privacy.exporting import exported

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    """Has a document at two firms."""
    user: User = UserFactory()
    for slug in ("acme", "birch"):
        firm = FirmFactory(slug=slug)
        DocumentFactory(firm=firm, owner=ContactFactory(firm=firm, user=user), title=slug)
    DocumentFactory(owner=ContactFactory(), title="of somebody else")
    return user


Handing = Callable[[Document], Iterable[Attachment]]


@pytest.fixture
def handed_in(settings: Settings) -> Callable[[Handing], None]:
    """Let every document have files."""

    def arrange(files: Handing) -> None:
        def attachments(rows: QuerySet[Document]) -> Iterator[Attachment]:
            for document in rows.order_by("pk"):
                yield from files(document)

        change(settings, Document, attachments=attachments)

    return arrange


def holding(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: BytesIO(data)


def test_are_copied_into_their_firms_folder(
    ada: User, handed_in: Callable[[Handing], None], tmp_path: Path
) -> None:
    handed_in(lambda document: [Attachment("ID card.png", holding(document.title.encode()))])
    copy = exported(ada, tmp_path)
    assert copy.files["acme/files/0001_ID_card.png"] == b"acme"
    assert copy.files["birch/files/0002_ID_card.png"] == b"birch"
    assert [(one["name"], one["category"]) for one in copy.manifest["files"]] == [
        ("ID card.png", "documents")
    ] * 2
    assert copy.as_listed() == copy.as_found()
    assert copy.category("documents")["records"] == 2


def test_are_copied_in_pieces(
    ada: User, handed_in: Callable[[Handing], None], tmp_path: Path
) -> None:
    large = bytes(range(256)) * 10_000  # more than two pieces
    handed_in(lambda _: [Attachment("large.bin", holding(large))])
    copy = exported(ada, tmp_path)
    assert copy.files["acme/files/0001_large.bin"] == large
    assert copy.as_listed() == copy.as_found()


def gone() -> BinaryIO:
    raise FileNotFoundError


class Torn(BytesIO):
    """Breaks off after the first piece."""

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(7)
        if not piece:
            raise ConnectionResetError
        return piece


def test_that_are_missing_are_a_warning_and_no_failure(
    ada: User, handed_in: Callable[[Handing], None], tmp_path: Path
) -> None:
    handed_in(
        lambda _: [
            Attachment("gone.pdf", gone),
            Attachment("torn.pdf", lambda: Torn(b"the beginning"[:7])),
            Attachment("here.pdf", holding(b"here")),
        ]
    )
    copy = exported(ada, tmp_path)
    assert copy.manifest["warnings"] == [
        f"{slug}, documents: '{name}' {what}."
        for slug in ("acme", "birch")
        for name, what in (
            ("gone.pdf", "is missing"),
            ("torn.pdf", "could only be read in part"),
        )
    ]
    assert copy.files["acme/files/0001_torn.pdf"] == b"the beg"
    assert copy.files["acme/files/0002_here.pdf"] == b"here"
    assert copy.as_listed() == copy.as_found()


HOSTILE = (
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\system32\\cmd.exe",
    "..",
    ".",
    "",
    "/",
    "CON",
    "con.txt",
    "a\0b\nc",
    "same.pdf",
    "same.pdf",
    "SAME.pdf",
    "invoice\u202efdp.exe",
    "x" * 500 + ".pdf",
    "\U0001f600" * 100,
    "字" * 300 + ".pdf",
    "-rf *",
    "$(reboot);`id`",
    ".htaccess",
    "half a letter \udcff.txt",
)


def test_have_safe_names_however_hostile_theirs_are(
    ada: User, handed_in: Callable[[Handing], None], tmp_path: Path
) -> None:
    handed_in(lambda _: [Attachment(name, holding(repr(name).encode())) for name in HOSTILE])
    copy = exported(ada, tmp_path)
    paths = [one["path"] for one in copy.manifest["files"]]
    assert len(paths) == len({path.casefold() for path in paths}) == 2 * len(HOSTILE)
    for path, name in zip(paths, HOSTILE * 2, strict=True):
        folder, files, last = path.split("/")
        assert (folder, files) in {("acme", "files"), ("birch", "files")}
        assert last.replace("_", "").replace("-", "").replace(".", "").isalnum()
        assert len(last.encode()) <= 255
        assert copy.files[path] == repr(name).encode()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Lease 2025.pdf", "Lease_2025.pdf"),
        ("Zoe\u0308.pdf", "Zo\u00eb.pdf"),  # a Mac's way of writing it
        ("folder\\scan.png", "scan.png"),
        ("..", "file"),
        ("y" * 99 + ".pdf", "y" * 46 + ".pdf"),
    ],
)
def test_keep_of_their_names_what_they_can(name: str, safe: str) -> None:
    assert safe_name(name) == safe
