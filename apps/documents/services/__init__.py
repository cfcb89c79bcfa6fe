"""What happens to documents: filed, signed, downloaded, deleted for good."""

from apps.documents.services.erasing import erase_documents, remove_stored_document
from apps.documents.services.filing import (
    DocumentChanged,
    begin_upload,
    finish_upload,
    link_to,
    open_file,
    save_document,
    store_file,
)
from apps.documents.services.filing_many import (
    Finished,
    Titled,
    begin_uploads,
    finish_uploads,
)
from apps.documents.services.purging import (
    Purged,
    finish_purges,
    mark_for_purge,
)
from apps.documents.services.reconciling import reconcile_s3
from apps.documents.services.requests.asking import (
    cancel_request,
    remind_now,
    request_files,
)
from apps.documents.services.requests.links import find_upload_link, send_fresh_link
from apps.documents.services.requests.receiving import (
    ThereAlready,
    accept_file,
    receive_file,
    refuse_file,
    requests_behind,
)
from apps.documents.services.requests.reminders import send_file_request_reminders
from apps.documents.services.signatures import (
    AlreadySigned,
    LinkClosed,
    check_signable,
    decline,
    expire_signing_links,
    find_by_token,
    request_signature,
    revoke,
    sign,
    view,
)

__all__ = [
    "AlreadySigned",
    "DocumentChanged",
    "Finished",
    "LinkClosed",
    "Purged",
    "ThereAlready",
    "Titled",
    "accept_file",
    "begin_upload",
    "begin_uploads",
    "cancel_request",
    "check_signable",
    "decline",
    "erase_documents",
    "expire_signing_links",
    "find_by_token",
    "find_upload_link",
    "finish_purges",
    "finish_upload",
    "finish_uploads",
    "link_to",
    "mark_for_purge",
    "open_file",
    "receive_file",
    "reconcile_s3",
    "refuse_file",
    "remind_now",
    "remove_stored_document",
    "request_files",
    "request_signature",
    "requests_behind",
    "revoke",
    "save_document",
    "send_file_request_reminders",
    "send_fresh_link",
    "sign",
    "store_file",
    "view",
]
