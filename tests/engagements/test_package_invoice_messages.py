"""The message about a package invoice … says what it is for, what it costs and what to do."""

from datetime import date
from typing import Any

import pytest
from bs4 import BeautifulSoup

from apps.billing.models import Invoice, PaymentMethod
from apps.billing.services import grant_credit
from apps.contacts.models import Contact
from apps.engagements.messages import PACKAGE_INVOICE_ISSUED, write_days
from apps.engagements.services import generate_package_invoices
from apps.notifications.models import Notification
from apps.notifications.types import Words
from tests.engagements.billing import at
from tests.factories import BillingAccountFactory, EngagementFactory, FirmFactory

pytestmark = pytest.mark.django_db

JUNE = "2025-06-10T12:00:00Z"


def message(**how: Any) -> Words:
    """Bill an engagement of Acme's, and return what its client is sent."""
    firm = FirmFactory(name="Acme Consulting")
    account = BillingAccountFactory(
        contact__firm=firm, autopay_timing=how.pop("autopay_timing", "due")
    )
    if how.get("autopay_opt_in"):
        PaymentMethod.objects.create(firm=firm, account=account, provider_ref="pm_1")
    if credit := how.pop("credit", 0):
        grant_credit(
            account=account,
            amount_minor=credit,
            kind="concession",
            effective_on=date(2025, 6, 1),
        )
    how = {"name": "Monthly retainer", "package_fee_minor": 500_000, **how}
    EngagementFactory(account=account, start_date=date(2025, 6, 10), **how)
    with at(JUNE):
        generate_package_invoices()
    return PACKAGE_INVOICE_ISSUED.write([Notification.objects.get()])


def test_is_written_in_plain_words() -> None:
    words = message()
    assert words.subject == "Invoice INV-2025-001 from Acme Consulting: $5,000.00"
    assert words.text == (
        "Your invoice INV-2025-001 for Monthly retainer is ready.\n"
        "\n"
        "Period: 10 June to 9 July 2025\n"
        "Total: $5,000.00\n"
        "Due: 10 July 2025\n"
        "\n"
        "Please pay by 10 July 2025.\n"
        "\n"
        "Thank you."
    )


def test_shows_the_same_as_a_page() -> None:
    words = message(name="<b>Retainer & more</b>", tax_percent=10)
    soup = BeautifulSoup(words.html, "html.parser")
    assert [cell.get_text() for cell in soup.select("td")] == [
        "Period", "10 June to 9 July 2025", "Total", "$5,500.00", "Of which tax", "$500.00",
        "Due", "10 July 2025",
    ]  # fmt: skip
    assert soup.select("b") == []
    assert "for <b>Retainer & more</b> is ready." in soup.get_text()


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (
            {"autopay_opt_in": True},
            "It will be charged to your card on 10 July 2025; there is nothing for you to do.",
        ),
        (
            {"autopay_opt_in": True, "autopay_timing": "issue"},
            "It will be charged to your card on 10 June 2025; there is nothing for you to do.",
        ),
        ({"credit": 100_000}, "Still to pay after your credit: $4,000.00"),
        ({"credit": 500_000}, "Your credit covers it; there is nothing for you to do."),
    ],
)
def test_says_what_is_left_to_do(how: dict[str, Any], sentence: str) -> None:
    words = message(**how)
    assert sentence in words.text.splitlines()


@pytest.mark.parametrize(
    ("first", "last", "written"),
    [
        (date(2025, 6, 1), date(2025, 6, 1), "1 June 2025"),
        (date(2025, 6, 1), date(2025, 6, 30), "1 to 30 June 2025"),
        (date(2024, 12, 10), date(2025, 3, 9), "10 December 2024 to 9 March 2025"),
    ],
)
def test_writes_days_as_people_do(first: date, last: date, written: str) -> None:
    assert write_days(first, last) == written


def test_is_not_sent_for_an_invoice_that_was_voided_meanwhile() -> None:
    message()
    notification = Notification.objects.get()
    assert PACKAGE_INVOICE_ISSUED.still_wanted is not None
    assert PACKAGE_INVOICE_ISSUED.still_wanted([notification]) == {}
    Invoice.objects.update(status=Invoice.Status.VOID)
    assert PACKAGE_INVOICE_ISSUED.still_wanted([notification]) == {notification.pk: "void"}


@at(JUNE)
def test_is_not_written_to_somebody_who_was_erased() -> None:
    EngagementFactory(start_date=date(2025, 6, 10))
    Contact.objects.update(erased_at="2025-01-01T00:00:00Z")
    assert generate_package_invoices().done == 1
    assert not Notification.objects.exists()


@at(JUNE)
def test_is_put_into_the_outbox_once_for_each_invoice() -> None:
    engagement = EngagementFactory(start_date=date(2025, 6, 10))
    generate_package_invoices()
    invoice = engagement.periods.get().invoice
    told = Notification.objects.get()
    assert (told.type, told.dedupe_key) == (
        "package_invoice_issued", f"invoice-issued:{invoice.pk}"
    )  # fmt: skip
    assert told.recipient_contact == engagement.account.contact
    assert sorted(told.deliveries.values_list("channel", flat=True)) == ["email", "in_app"]
