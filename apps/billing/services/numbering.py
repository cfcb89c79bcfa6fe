"""The numbers that a firm's papers get: without gaps, without doubles."""

from django.db.models import F

from apps.billing.models import NumberSequence
from apps.core.days import Clock
from apps.firms.models import Firm

ENDLESS = 0  # the year of a series that does not begin again every January


def open_numbering(*, firm: Firm, clock: Clock) -> NumberSequence:
    """Open a new firm's series of invoice numbers for this year; the first will be 001."""
    return NumberSequence.objects.create(
        firm=firm, series=firm.settings.invoice_prefix, year=firm.today(clock).year
    )


def take_number(*, firm: Firm, series: str) -> int:
    """Return the next number of a firm's endless series, counted from 1.

    Its row stays locked until the transaction ends, so that a rollback returns the number.
    Must run inside the transaction of what gets it.
    """
    rows = NumberSequence.objects.filter(firm=firm, series=series, year=ENDLESS)
    if not rows.update(next_number=F("next_number") + 1):
        first = NumberSequence(firm=firm, series=series, year=ENDLESS)
        NumberSequence.objects.bulk_create([first], ignore_conflicts=True)
        rows.update(next_number=F("next_number") + 1)
    return rows.get().next_number - 1
