"""The pages of the ledger's reports … (spec D4)."""

from datetime import date

import pytest
import time_machine
from bs4 import BeautifulSoup
from django.db import connection
from django.test import Client

from apps.billing.services import refresh_materialized_views
from apps.firms.models import Firm
from apps.firms.rights import staff_group
from tests.billing.ledger import pay
from tests.factories import FirmFactory, InvoiceFactory, MembershipFactory

pytestmark = pytest.mark.django_db

AGES = "/admin/billing/receivables/"
MONTHS = "/admin/billing/revenuemonth/"


@pytest.fixture
def firm(client: Client) -> Firm:
    """Ours, with an invoice over $1,500.00 of which $400.00 were paid; and a neighbour's."""
    firm: Firm = FirmFactory()
    user = MembershipFactory(firm=firm).user
    user.groups.add(staff_group())
    client.force_login(user)
    ours = InvoiceFactory(account__contact__firm=firm, due_date=date(2025, 3, 1))
    pay(ours.account, 40_000)
    InvoiceFactory(total_minor=99)
    return firm


def refresh() -> None:
    with time_machine.travel("2025-03-10T12:34:56Z", tick=False):
        refresh_materialized_views()


def read(client: Client, page: str) -> tuple[str, list[list[str]]]:
    """Return as of when a page is, and its rows."""
    soup = BeautifulSoup(client.get(page).content, "html.parser")
    rows = [
        [cell.get_text(strip=True) for cell in row.select("td")]
        for row in soup.select("#result_list tbody tr")
    ]
    return soup.select("#content h2")[0].get_text(strip=True), rows


def test_show_what_is_owed_by_age(client: Client, firm: Firm) -> None:
    refresh()
    assert read(client, AGES) == (
        "As of March 10, 2025, 12:34 p.m. UTC",
        [["USD", "1–30 days", "1", "$1,100.00", "March 10, 2025"]],
    )


def test_show_revenue_by_month(client: Client, firm: Firm) -> None:
    refresh()
    assert read(client, MONTHS)[1] == [
        ["2025-03", "USD", "$0.00", "$400.00", "$0.00", "$0.00"],
        ["2025-02", "USD", "$1,500.00", "$0.00", "$0.00", "$0.00"],
    ]


@pytest.mark.parametrize("page", [AGES, MONTHS])
def test_say_that_nothing_was_filled_in_yet(client: Client, firm: Firm, page: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for name in ("mv_ar_aging", "mv_billing_ledger", "mv_revenue_monthly"):
                cursor.execute(f"REFRESH MATERIALIZED VIEW {name} WITH NO DATA")
    assert read(client, page) == ("Not filled yet", [])
