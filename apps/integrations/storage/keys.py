"""Which keys are taken, whoever keeps them."""

import unicodedata

from apps.integrations.storage import StorageRefused

LONGEST = 1_024  # bytes of a key: S3's most
LONGEST_PART = 255  # bytes between two slashes: what file systems take


def check_key(key: str) -> None:
    """Refuse a key that might mean another place than it says, with ``StorageRefused``."""
    if not _is_plain(key):
        raise StorageRefused("This is no key under which a file could be stored.")


def _is_plain(key: str) -> bool:
    if "\\" in key or any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in key):
        return False
    parts = key.split("/")
    return len(key.encode()) <= LONGEST and all(
        part and not part.startswith(".") and len(part.encode()) <= LONGEST_PART
        for part in parts
    )
