"""Documents, the requests to sign them, and the requests for files."""

from apps.documents.models.documents import (
    LINK_DAYS,
    Document,
    DocumentQuerySet,
    SignatureRequest,
    SignatureRequestQuerySet,
    fingerprint,
)
from apps.documents.models.requests import (
    MOST_FILES,
    MOST_REMINDERS,
    FileRequest,
    FileRequestItem,
    FileRequestQuerySet,
    ReceivedFile,
    UploadLink,
)

__all__ = [
    "LINK_DAYS",
    "MOST_FILES",
    "MOST_REMINDERS",
    "Document",
    "DocumentQuerySet",
    "FileRequest",
    "FileRequestItem",
    "FileRequestQuerySet",
    "ReceivedFile",
    "SignatureRequest",
    "SignatureRequestQuerySet",
    "UploadLink",
    "fingerprint",
]
