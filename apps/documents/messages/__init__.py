"""The words this app sends."""

from apps.documents.messages.requests import (
    FILE_REFUSED,
    FILE_REQUEST_REMINDER,
    FILE_REQUEST_UNANSWERED,
    FILE_REQUEST_UNREACHABLE,
    FILES_RECEIVED,
    FILES_REQUESTED,
    UPLOAD_LINK,
)
from apps.documents.messages.signing import (
    SIGNATURE_REQUESTED,
    SIGNING_LINKS_EXPIRED,
    link,
)
from apps.notifications.types import NotificationType

__all__ = [
    "FILES_RECEIVED",
    "FILES_REQUESTED",
    "FILE_REFUSED",
    "FILE_REQUEST_REMINDER",
    "FILE_REQUEST_UNANSWERED",
    "FILE_REQUEST_UNREACHABLE",
    "SIGNATURE_REQUESTED",
    "SIGNING_LINKS_EXPIRED",
    "TYPES",
    "UPLOAD_LINK",
    "link",
]

TYPES: tuple[NotificationType, ...] = (
    SIGNATURE_REQUESTED,
    SIGNING_LINKS_EXPIRED,
    FILES_REQUESTED,
    FILE_REQUEST_REMINDER,
    FILE_REFUSED,
    UPLOAD_LINK,
    FILES_RECEIVED,
    FILE_REQUEST_UNANSWERED,
    FILE_REQUEST_UNREACHABLE,
)
