"""The first number series of a new firm."""

from apps.billing.models import NumberSequence
from apps.core.days import Clock
from apps.firms.models import Firm


def open_numbering(*, firm: Firm, clock: Clock) -> NumberSequence:
    """Open a new firm's series of invoice numbers for this year; the first will be 001."""
    return NumberSequence.objects.create(
        firm=firm, series=firm.settings.invoice_prefix, year=firm.today(clock).year
    )
