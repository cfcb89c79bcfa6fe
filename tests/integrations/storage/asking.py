"""What the tests put into a storage."""

import hashlib
import io

from apps.integrations.storage import Storage, Stored

PDF = b"%PDF-1.7 a certificate"
KEY = "firms/1/0b1e/file.pdf"


def put(storage: Storage, key: str = KEY, content: bytes = PDF, *, sha256: str = "") -> Stored:
    return storage.put(
        key,
        io.BytesIO(content),
        content_type="application/pdf",
        size=len(content),
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
    )


def fetch(storage: Storage, key: str = KEY, *, version_id: str = "") -> bytes:
    return b"".join(storage.read(key, version_id=version_id))


def names(storage: Storage, prefix: str = "") -> list[str]:
    return [one.key for one in storage.listing(prefix)]
