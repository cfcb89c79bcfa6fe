"""What reconciliations have written down about people."""

from apps.core.personal import Holding
from apps.discrepancies.models import Discrepancy, ReconciliationRun

HOLDINGS = (
    Holding(
        Discrepancy,
        told=("subject_key", "label", "local_state", "remote_state"),
        plain=("kind",),
    ),
    Holding(ReconciliationRun),
)
