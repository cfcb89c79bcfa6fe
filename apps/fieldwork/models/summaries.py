"""How far a firm's daily summary has got."""

from django.db import models

from apps.core.fields import Dated
from apps.firms.models import Firm


class SummaryMark(Dated):
    """The last local day that a firm's daily summary has reported (spec D28, C-24)."""

    firm = models.OneToOneField(Firm, models.PROTECT, related_name="summary_mark")
    reported_through = models.DateField()

    def __str__(self) -> str:
        return f"{self.firm}: {self.reported_through}"
