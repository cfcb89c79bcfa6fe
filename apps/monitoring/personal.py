"""What alerts hold about people: nothing, but who took one on."""

from apps.core.personal import Holding
from apps.monitoring.models import Alert, Delivery, Watch

HOLDINGS = (
    Holding(
        Alert,
        firm="",
        authors=("acknowledged_by",),
        plain=("job", "scope", "text"),  # sentences of ours: apps/monitoring/words.py
    ),
    Holding(Delivery, firm="", plain=("subject", "body", "problem")),
    Holding(Watch, firm="", plain=("name",)),
)
