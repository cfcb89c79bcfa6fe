"""What staff see and press: documents, who was asked to sign, and who was asked for files."""

from apps.documents.admin.documents import (
    DocumentAdmin,
    SignatureRequestAdmin,
    download_link,
)
from apps.documents.admin.requests import FileRequestAdmin, ReceivedFileAdmin

__all__ = [
    "DocumentAdmin",
    "FileRequestAdmin",
    "ReceivedFileAdmin",
    "SignatureRequestAdmin",
    "download_link",
]
