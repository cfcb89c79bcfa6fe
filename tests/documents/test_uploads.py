"""What somebody sends is looked at: how much it is, what it is, and what it may be called."""

import hashlib
import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.forms import ValidationError
from django.test import RequestFactory
from pytest_django import Settings

from apps.documents.forms import UploadField
from apps.documents.uploads import NotTaken
from tests.documents.filing import PDF, sent

MIB = 1_048_576


def archive(*names: str, mimetype: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as files:
        if mimetype:
            files.writestr(zipfile.ZipInfo("mimetype"), mimetype)
        for name in names:
            files.writestr(name, f"<{name}/>" * 20)
    return packed.getvalue()


OPEN = "application/vnd.oasis.opendocument"
OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES = ("[Content_Types].xml", "_rels/.rels")


# ---- how much -----------------------------------------------------------------------------


def test_is_measured_and_can_be_read_from_the_beginning() -> None:
    content = b"%PDF-1.7 " + bytes(range(256)) * 8_000

    upload = sent(content)

    assert (upload.size, upload.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert upload.content.read() == content


@pytest.mark.parametrize(("size", "taken"), [(MIB, True), (MIB + 1, False)])
def test_may_have_so_many_bytes_and_no_more(settings: Settings, size: int, taken: bool) -> None:
    settings.UPLOAD_MAX_MIB = 1
    content = PDF.ljust(size)
    if taken:
        assert sent(content).size == size
    else:
        with pytest.raises(NotTaken, match=r"^A file may have at most 1 MiB\.$"):
            sent(content)


def test_is_not_nothing() -> None:
    with pytest.raises(NotTaken, match=r"^The file is empty\.$"):
        sent(b"")


# ---- what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PDF, "application/pdf"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "image/heic"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (archive(*TYPES, "word/document.xml"), f"{OFFICE}.wordprocessingml.document"),
        (archive("xl/workbook.xml", *TYPES), f"{OFFICE}.spreadsheetml.sheet"),
        (archive("content.xml", mimetype=f"{OPEN}.text"), f"{OPEN}.text"),
        (archive("content.xml", mimetype=f"{OPEN}.spreadsheet"), f"{OPEN}.spreadsheet"),
        ("Löhne;1,50 €\r\n".encode(), "text/plain"),
        (b"L\xf6hne;1,50 \x80\r\n", "text/plain"),  # Windows' own encoding
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain"),
    ],
)
def test_is_told_by_its_content(content: bytes, content_type: str) -> None:
    assert sent(content, "whatever.html").kind.content_type == content_type


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\0\x03\0\0\0",
        b"\x7fELF\x02\x01\x01\0",
        b"GIF89a\x01\0\x01\0",
        b"MZ\x90\0%PDF-1.7",
        b"\0" * 100,
        archive("a.txt"),
        archive("META-INF/MANIFEST.MF", "keyword/x"),
        archive("content.xml", mimetype=f"{OPEN}.graphics"),
        b"Rar!\x1a\x07\x01\0",
    ],
)
def test_is_refused_when_it_is_something_else(content: bytes) -> None:
    with pytest.raises(NotTaken) as refused:
        sent(content, "certificate.pdf")
    assert str(refused.value) == (
        "Files of this kind are not taken; these are: PDF, JPEG, PNG, WebP, HEIC, TIFF, Word, "
        "Excel, Writer, Calc, text."
    )


def test_is_refused_when_the_settings_do_not_want_it(settings: Settings) -> None:
    settings.UPLOAD_TYPES = ["application/pdf", "image/png"]
    assert sent(PDF).kind.name == "PDF"
    with pytest.raises(NotTaken, match="these are: PDF, PNG"):
        sent(b"just text")


# ---- what it is called --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("certificate.pdf", "certificate.pdf"),
        ("Certificate 2025.PDF", "Certificate 2025.pdf"),
        ("Ausweis Müller ✓.pdf", "Ausweis Müller ✓.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("..\\..\\boot.ini", "boot.ini.pdf"),
        ("C:\\Users\\ada\\w9.pdf", "w9.pdf"),
        ("/", "file.pdf"),
        ("..", "file.pdf"),
        ("", "file.pdf"),
        (".pdf", "file.pdf"),
        (".htaccess", "htaccess.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe.pdf"),
        ("\u2066evil\u2069\u200b\ufeff.pdf", "evil.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie_ x=1.pdf"),
        ("a\x00.pdf", "a.pdf"),
        ("a\u2028b.pdf", "ab.pdf"),
        ('<"|?*>.pdf', "______.pdf"),
        ("trailing. . .", "trailing.pdf"),
        ("  many   spaces .pdf", "many spaces.pdf"),
        ("e\u0301.pdf", "\u00e9.pdf"),
        ("\ud800.pdf", "file.pdf"),
        ("a" * 5_000 + ".pdf", "a" * 116 + ".pdf"),
        ("a." * 5_000, ("a." * 58).rstrip(".") + ".pdf"),
    ],
)
def test_gets_a_name_that_fits(name: str, fit: str) -> None:
    upload = sent(PDF, name)
    assert upload.name == fit
    assert len(upload.name) <= 120


def test_ends_as_files_of_its_kind_do() -> None:
    assert sent(b"\xff\xd8\xff", "photo.JPEG").name == "photo.jpeg"
    assert sent(b"\xff\xd8\xff", "photo.png").name == "photo.png.jpg"
    assert sent(b"a;b\n", "table.csv").name == "table.csv"
    assert sent(b"<script>", "page.html").name == "page.html.txt"


# ---- on its way in ------------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [True, False])
def test_is_cut_off_where_it_is_too_large_anyway(settings: Settings, in_memory: bool) -> None:
    settings.UPLOAD_MAX_MIB = 1
    if not in_memory:
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    whole = SimpleUploadedFile("large.pdf", PDF.ljust(4 * MIB))

    file: Any = RequestFactory().post("/", {"file": whole}).FILES["file"]

    assert MIB < file.size <= MIB + MemoryFileUploadHandler.chunk_size
    with pytest.raises(ValidationError, match="at most 1 MiB"):
        UploadField().clean(file)
    file.close()


def test_comes_through_a_form_whole(settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    content = PDF.ljust(3 * MIB)
    whole = SimpleUploadedFile("../large.pdf", content)
    file: Any = RequestFactory().post("/", {"file": whole}).FILES["file"]

    upload = UploadField().clean(file)

    assert upload
    assert (upload.name, upload.size) == ("large.pdf", len(content))
    assert upload.content.read() == content
    file.close()


def test_may_be_missing_where_a_form_does_not_need_it() -> None:
    assert UploadField(required=False).clean(None) is None
    with pytest.raises(ValidationError, match="required"):
        UploadField().clean(None)
