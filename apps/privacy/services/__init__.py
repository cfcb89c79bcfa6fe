"""What happens when people ask for a copy of their data or its end; how long data stay."""

from apps.privacy.services.deadlines import remind_of_erasure_deadlines
from apps.privacy.services.downloads import remove_file, take_file
from apps.privacy.services.erasing.expiring import anonymise_retained_records
from apps.privacy.services.erasing.journal import write_journal
from apps.privacy.services.erasing.replaying import replay_erasures
from apps.privacy.services.erasing.running import execute_erasure_request
from apps.privacy.services.exports import Wish, export_user_data, make_export
from apps.privacy.services.holds import check_hold, place_hold, release_hold
from apps.privacy.services.people import people_of
from apps.privacy.services.requests import (
    approve_request,
    cancel_request,
    extend_request,
    order_execution,
    receive_request,
    reject_request,
    verify_request,
)
from apps.privacy.services.retention import execute_retention_policies

__all__ = [
    "Wish",
    "anonymise_retained_records",
    "approve_request",
    "cancel_request",
    "check_hold",
    "execute_erasure_request",
    "execute_retention_policies",
    "export_user_data",
    "extend_request",
    "make_export",
    "order_execution",
    "people_of",
    "place_hold",
    "receive_request",
    "reject_request",
    "release_hold",
    "remind_of_erasure_deadlines",
    "remove_file",
    "replay_erasures",
    "take_file",
    "verify_request",
    "write_journal",
]
