"""What people may ask of their data, what came of it, and when data goes by itself."""

from apps.privacy.models.erasure import (
    ErasureAction,
    ErasurePart,
    ErasureRequest,
    ErasureStep,
)
from apps.privacy.models.exports import DataExport
from apps.privacy.models.retention import RetentionRun, StatutoryPeriod

__all__ = [
    "DataExport",
    "ErasureAction",
    "ErasurePart",
    "ErasureRequest",
    "ErasureStep",
    "RetentionRun",
    "StatutoryPeriod",
]
