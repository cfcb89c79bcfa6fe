"""What staff see of privacy, and what superusers and owners press."""

from apps.privacy.admin.erasure import ErasureRequestAdmin, StatutoryPeriodAdmin
from apps.privacy.admin.exports import DataExportAdmin
from apps.privacy.admin.holds import LegalHoldAdmin
from apps.privacy.admin.retention import RetentionRunAdmin

__all__ = [
    "DataExportAdmin",
    "ErasureRequestAdmin",
    "LegalHoldAdmin",
    "RetentionRunAdmin",
    "StatutoryPeriodAdmin",
]
