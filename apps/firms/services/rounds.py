"""Which firms a run is about, and what day it is there."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from apps.core import batches
from apps.core.days import Clock
from apps.core.problems import Problem
from apps.core.reports import Report
from apps.firms.models import Firm
from apps.firms.services.served import find_firm, why_not_served


def by_firm(
    report: Report, clock: Clock, busy: "QuerySet[Any]", *, firm_id: int | None, at: str
) -> Iterator[tuple[Firm, date]]:
    """Yield the served firms that have any of the ``busy`` rows, with the date it is there.

    A firm that was asked for is yielded in any case, or left out with a sentence. Firms
    whose local time is not ``at`` yet wait; one in a zone that nobody knows fails.
    """
    firms = Firm.objects.served().select_related("settings")
    if firm_id is None:
        firms = firms.filter(Exists(busy.filter(firm=OuterRef("pk"))))
    else:
        firm = find_firm(firm_id)
        if left_out := why_not_served(firm):
            report.says(left_out)
        firms = firms.filter(pk=firm.pk)
    for firm in batches.by_key(firms):
        try:
            open_, today = clock.open_at(firm.timezone, at=at), firm.today(clock)
        except Problem as problem:
            report.fail(firm, problem)
            continue
        if open_:
            yield firm, today


def named(firm: Firm) -> str:
    """Return how the lines of a run name a firm."""
    return f"Firm {firm} (ID: {firm.pk})"
