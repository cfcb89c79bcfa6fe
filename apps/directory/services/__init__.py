"""What happens between a firm and its Active Directory."""

from apps.directory.services.connections import (
    disable_directory,
    enable_directory,
    read_again,
    save_connection,
    try_connection,
    unlink_identity,
)
from apps.directory.services.syncing import sync_ad

__all__ = [
    "disable_directory",
    "enable_directory",
    "read_again",
    "save_connection",
    "sync_ad",
    "try_connection",
    "unlink_identity",
]
