"""Which firms a run is about, and what day it is there."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Report
from apps.firms.models import Firm
from apps.firms.services import find_firm, why_not_served


@dataclass(frozen=True)
class Scope:
    """The served firms that the options select, and which one is left out."""

    firms: "QuerySet[Firm]"
    left_out: str = ""

    @classmethod
    def find(cls, *, firm_id: int | None) -> "Scope":
        """Read the option ``--firm-id``; raises ``BadOption`` for an unknown one.

        A firm that is not served is no error: nothing is selected and ``tell`` says why.
        """
        served = Firm.objects.served()
        if firm_id is None:
            return cls(served)
        firm = find_firm(firm_id)
        return cls(served.filter(pk=firm.pk), why_not_served(firm))

    def tell(self, report: Report) -> None:
        """Say which firm was left out, if one was asked for."""
        if self.left_out:
            report.says(self.left_out)

    def by_day(
        self, report: Report, clock: Clock, *, at: str = "", weekdays: str = ""
    ) -> Iterator[tuple["QuerySet[Firm]", date]]:
        """Yield the firms by the date it is there, once their local-time gate is open.

        There are never more than three dates on Earth. Firms in a zone that nobody knows
        fail and spare the others.
        """
        zones: dict[date, list[str]] = defaultdict(list)
        names = self.firms.order_by("timezone").values_list("timezone", flat=True)
        for name in names.distinct():
            try:
                if clock.open_at(name, at=at, weekdays=weekdays):
                    zones[clock.today(name)].append(name)
            except Problem as problem:
                for firm in batches.by_key(self.firms.filter(timezone=name)):
                    report.fail(firm, problem)
        for today, open_ in sorted(zones.items()):
            yield self.firms.filter(timezone__in=open_), today
