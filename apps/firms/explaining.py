"""Whether the jobs serve a firm at all."""

from typing import Any

from apps.core.explaining import Moment
from apps.firms.services import why_not_served


def unserved(row: Any, moment: Moment) -> str:
    """Say that the jobs leave the firm of a row alone, or nothing."""
    return why_not_served(row.firm).removesuffix("; skipped.").replace("Firm ", "firm ")
