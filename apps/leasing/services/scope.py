"""Which properties a run is about."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import BadOption, Problem
from apps.core.reports import Report
from apps.firms.services import find_firm, why_not_served
from apps.leasing.models import Property


@dataclass(frozen=True)
class Scope:
    """The properties of served firms that the options select, and what is left out."""

    properties: "QuerySet[Property]"
    left_out: str = ""

    @classmethod
    def find(cls, *, property: int | None = None, firm_id: int | None = None) -> "Scope":
        """Read the options ``--property`` and ``--firm-id``.

        Raises ``BadOption`` for an unknown one. A firm that the job does not serve is no
        error: nothing is selected and ``tell`` says why (spec A9).
        """
        served = Property.objects.filter(firm__is_active=True)
        firm = find_firm(firm_id) if firm_id is not None else None
        if firm is not None:
            served = served.filter(firm=firm)
        if property is not None:
            found = Property.objects.select_related("firm").filter(pk=property).first()
            if found is None or (firm is not None and found.firm_id != firm.pk):
                raise BadOption(f"Property with ID {property} does not exist.")
            firm, served = found.firm, served.filter(pk=property)
        return cls(served, why_not_served(firm) if firm is not None else "")

    def tell(self, report: Report) -> None:
        """Say which firm was left out, if one was asked for."""
        if self.left_out:
            report.says(self.left_out)

    def by_day(
        self, report: Report, clock: Clock, *, at: str = ""
    ) -> Iterator[tuple["QuerySet[Property]", date]]:
        """Yield the properties by the date it is there, once their local time is ``at``.

        There are never more than three dates on Earth. Properties in a zone that nobody
        knows fail and spare the others.
        """
        zones: dict[date, list[str]] = defaultdict(list)
        names = self.properties.order_by("timezone").values_list("timezone", flat=True)
        for name in names.distinct():
            try:
                if clock.open_at(name, at=at):
                    zones[clock.today(name)].append(name)
            except Problem as problem:
                for home in batches.by_key(self.properties.filter(timezone=name)):
                    report.fail(home, problem)
        for today, open_ in sorted(zones.items()):
            yield self.properties.filter(timezone__in=open_), today
