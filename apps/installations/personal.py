"""What is held about people: nothing."""

from apps.core.personal import Holding
from apps.installations.models import Installation

HOLDINGS = (Holding(Installation, firm="", plain=("key", "name")),)
