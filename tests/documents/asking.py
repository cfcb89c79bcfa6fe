"""Requests made the way the product makes them, so that their tokens are known."""

from datetime import UTC, datetime
from typing import Any

from apps.contacts.models import Contact
from apps.documents.models import Document, SignatureRequest
from apps.documents.services import request_signature
from tests.factories import ContactFactory, DocumentFactory

NOW = datetime(2025, 6, 10, 12, 0, tzinfo=UTC)


def ask(
    *, at: datetime = NOW, document: Document | None = None, **how: Any
) -> tuple[SignatureRequest, str]:
    """Ask somebody to sign; by default Ada of the document's firm, asked by nobody."""
    document = document or DocumentFactory()
    signer: Contact = how.pop("signer", None) or ContactFactory(
        firm=document.firm, display_name="Ada Lovelace", email="ada@example.com"
    )
    return request_signature(
        document=document, signer=signer, requested_by=how.pop("by", None), now=at
    )


def address(token: str) -> str:
    return f"/sign/{token}/"
