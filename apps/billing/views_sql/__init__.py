"""What the ledger's reports are made of: one SELECT each, written once for both databases.

On PostgreSQL a report is a materialised view, on SQLite an ordinary table of the same name;
a migration makes either from the file here (``operations.py``) and
``refresh_materialized_views`` fills it. Amounts are minor units, dates are local dates as
stored, months are texts (``2025-03``): no time zone and no date is ever computed in SQL, so
both databases come to the same figures.

A file is never changed once a migration uses it, for a fresh database runs that migration
again. A new definition is a new file with the next version, its entry below, and a migration
that drops the old view and creates the new one.
"""

from dataclasses import dataclass
from pathlib import Path

Columns = tuple[str, ...]


@dataclass(frozen=True)
class LedgerView:
    """One report of the ledger."""

    name: str
    version: int
    key: Columns  # unique, and never null: PostgreSQL compares the rows by it
    made_from: tuple[str, ...] = ()  # other reports
    needs_days: bool = False  # reads what day it is at each firm

    @property
    def select(self) -> str:
        """The SELECT that the report's rows are."""
        return read(self.name, self.version)


def read(name: str, version: int) -> str:
    """Return one version of a report's definition."""
    path = Path(__file__).with_name(f"{name}_{version}.sql")
    return path.read_text(encoding="utf-8").strip()


# In the order in which they can be refreshed.
VIEWS = (
    LedgerView("mv_billing_ledger", 1, key=("invoice_id",), needs_days=True),
    LedgerView("mv_revenue_monthly", 1, key=("firm_id", "currency", "month")),
    LedgerView(
        "mv_ar_aging",
        1,
        key=("firm_id", "currency", "bucket"),
        made_from=("mv_billing_ledger",),
    ),
)
