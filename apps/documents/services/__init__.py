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
from apps.documents.services.purging import (
    Purged,
    finish_purges,
    mark_for_purge,
)
from apps.documents.services.reconciling import reconcile_s3
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
    "LinkClosed",
    "Purged",
    "begin_upload",
    "check_signable",
    "decline",
    "erase_documents",
    "expire_signing_links",
    "find_by_token",
    "finish_purges",
    "finish_upload",
    "link_to",
    "mark_for_purge",
    "open_file",
    "reconcile_s3",
    "remove_stored_document",
    "request_signature",
    "revoke",
    "save_document",
    "sign",
    "store_file",
    "view",
]
