"""Daily late fees … (spec D18 "Amount")."""

from datetime import date

import pytest
from moneyed import Money

from apps.leasing.models import (
    LateFeeAssessment,
)
from apps.leasing.services import (
    apply_late_fees,
)
from apps.notifications.services import deliver_notifications
from tests.leasing.charging import DAILY, fees, run_on, waive
from tests.leasing.renting import at, home_with, pay, rent
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db


def test_charges_each_day_after_the_first_fee_up_to_the_most() -> None:
    invoice = rent(home=home_with(**DAILY))
    days = ["2025-03-07", "2025-03-08", "2025-03-08", "2025-03-09", "2025-03-10", "2025-03-11"]
    assert run_on(*days) == [1, 1, 0, 1, 1, 0]
    assert fees(invoice) == [5_000, 500, 500, 500]
    keys = LateFeeAssessment.objects.order_by("pk").values_list("assessment_key", flat=True)
    assert list(keys) == ["initial", "2025-03-08", "2025-03-09", "2025-03-10"]


def test_catches_up_missed_days_in_one_go() -> None:
    invoice = rent(home=home_with(**DAILY), number="INV-2025-031")
    run_on("2025-03-07")
    with at("2025-03-09T18:00:00Z"):
        report = apply_late_fees()
    assert (report.done, report.money["USD"]) == (1, Money(10, "USD"))
    assert fees(invoice) == [5_000, 500, 500]
    assert run_on("2025-03-20") == [1]
    assert fees(invoice) == [5_000, 500, 500, 500]


def test_charges_no_further_days_once_the_rent_is_paid() -> None:
    invoice = rent(home=home_with(**DAILY))
    run_on("2025-03-07", "2025-03-08")
    with at("2025-03-09T14:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 9))
    assert run_on("2025-03-09", "2025-03-10") == [0, 0]


def test_charges_no_further_days_once_the_first_fee_is_waived() -> None:
    rent(home=home_with(**DAILY))
    run_on("2025-03-07")
    with at("2025-03-07T20:00:00Z"):
        waive(LateFeeAssessment.objects.get())
    assert run_on("2025-03-08", "2025-03-09") == [0, 0]


def test_counts_what_was_charged_before_against_the_cap() -> None:
    invoice = rent(home=home_with(max_fee_minor=5_700, **DAILY))
    assert run_on("2025-03-07", "2025-03-08", "2025-03-09", "2025-03-10") == [1, 1, 1, 0]
    assert fees(invoice) == [5_000, 500, 200]


def test_reverses_only_the_days_after_a_payment() -> None:
    invoice = rent(home=home_with(**DAILY))
    run_on("2025-03-07", "2025-03-08", "2025-03-09", "2025-03-10")
    with at("2025-03-11T18:00:00Z"):
        pay(invoice, 150_000, on=date(2025, 3, 8))
        assert apply_late_fees().tallies["reversed"] == 2
    states = dict(LateFeeAssessment.objects.values_list("assessment_key", "state"))
    assert states == {
        "initial": "applied",
        "2025-03-08": "applied",
        "2025-03-09": "reversed",
        "2025-03-10": "reversed",
    }


def test_mails_caught_up_days_in_one_message(smtp_server: MailServer) -> None:
    rent(home=home_with(**DAILY), number="INV-2025-031")
    with at("2025-03-07T18:00:00Z"):
        apply_late_fees()
        deliver_notifications()
    with at("2025-03-09T18:00:00Z"):
        apply_late_fees()
        deliver_notifications()
    _, mail = smtp_server.messages
    assert mail.message["Subject"] == "2 late fees on your rent"
    text = mail.message.get_body(("plain",)).get_content()
    assert "$5.00 (for 8 March 2025)" in text
    assert text.count("Now to pay on invoice INV-2025-031: $1,560.00") == 1
