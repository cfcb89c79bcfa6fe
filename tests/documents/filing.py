"""Files as people send them, and documents made of them the way the product makes them."""

import io
from datetime import UTC, datetime
from typing import Any

from apps.documents.models import Document
from apps.documents.services import store_file
from apps.documents.uploads import Upload, look_at
from tests.factories import FirmFactory

NOW = datetime(2025, 6, 10, 12, 0, tzinfo=UTC)
PDF = b"%PDF-1.7\n1 0 obj << >> endobj\n"


def sent(content: bytes = PDF, name: str = "certificate.pdf") -> Upload:
    return look_at(io.BytesIO(content), name=name)


def store(upload: Upload | None = None, **how: Any) -> Document:
    """Store a file; by default one of a new firm, by nobody."""
    told = {"title": "Certificate of insurance", "owner": None, "actor": None, "now": NOW}
    firm = how.pop("firm", None) or FirmFactory()
    return store_file(firm=firm, upload=upload or sent(), **(told | how))
