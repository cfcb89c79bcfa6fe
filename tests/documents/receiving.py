"""What the tests of the upload page share: somebody with a link, and what they send."""

import io
from typing import Any

from bs4 import BeautifulSoup
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.documents.models import FileRequestItem
from tests.documents.filing import PDF


def a_file(name: str = "statement.pdf", content: bytes = PDF) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="text/html")


def send(client: Client, where: str, *files: Any, item: FileRequestItem) -> Any:
    """Post files for an item as a browser does."""
    return client.post(where, {f"item-{item.pk}": list(files)})


def page(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def heading(response: Any) -> str:
    title = page(response).h1
    assert title
    return title.get_text()


def problems(response: Any) -> list[str]:
    return [one.get_text() for one in page(response).select(".errorlist li")]


def listed(response: Any) -> list[str]:
    """Return the names of the files that the page says have come."""
    return [one.get_text() for one in page(response).select(".files .name")]


def zip_bomb() -> bytes:
    """Return a small archive that says it is a Word file, and is endless when unpacked."""
    import zipfile

    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"\0" * 30_000_000)
    return bomb.getvalue()
