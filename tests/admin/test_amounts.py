"""Amounts are typed in major units of the row's currency, and stored in minor ones."""

from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.test import Client

from apps.core.forms import parse_amount
from apps.firms.models import Firm
from apps.leasing.models import (
    JurisdictionCap,
    Lease,
    LeaseCharge,
    Property,
    PropertyBillingConfig,
    RentStep,
)
from tests.admin.visiting import address, filled


@pytest.mark.parametrize(
    ("typed", "code", "minor"),
    [
        ("1500.00", "USD", 150_000),
        ("1500", "USD", 150_000),
        ("0.1", "USD", 10),
        ("-25.50", "EUR", -2_550),
        ("120000", "JPY", 120_000),
        ("1.234", "KWD", 1_234),
        ("1E+3", "USD", 100_000),
    ],
)
def test_reads_an_amount(typed: str, code: str, minor: int) -> None:
    assert parse_amount(Decimal(typed), code) == minor


@pytest.mark.parametrize(
    ("typed", "code", "sentence"),
    [
        ("1.005", "USD", "An amount in USD has at most 2 decimals."),
        ("1.2345", "KWD", "An amount in KWD has at most 3 decimals."),
        ("100.0", "JPY", "An amount in JPY has no decimals."),
        ("99999999999999999", "USD", "This amount is too large."),
    ],
)
def test_refuses_an_amount_that_the_currency_does_not_have(
    typed: str, code: str, sentence: str
) -> None:
    with pytest.raises(forms.ValidationError, match=sentence):
        parse_amount(Decimal(typed), code)


def errors(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.context["errors"])


@pytest.fixture
def lease(ours: Firm) -> Lease:
    return Lease.objects.get(firm=ours)


def test_a_lease_is_shown_and_saved_in_major_units(desk: Client, lease: Lease) -> None:
    where = address("leasing.lease", "change", lease.pk)
    data = filled(desk, where)
    assert str(data["rent_minor"]) == "1500.00"
    assert str(data["charges-0-amount_minor"]) == "25.00"
    assert str(data["rent_steps-0-rent_minor"]) == "1600.00"
    data |= {"rent_minor": "1525.5", "charges-0-amount_minor": "-10"}
    assert desk.post(where, data | {"rent_steps-0-rent_minor": "1700"}).status_code == 302
    lease.refresh_from_db()
    assert lease.rent_minor == 152_550
    assert LeaseCharge.objects.get().amount_minor == -1_000
    assert RentStep.objects.get().rent_minor == 170_000


@pytest.mark.parametrize("name", ["rent_minor", "charges-0-amount_minor"])
def test_refuses_more_decimals_than_the_currency_has(
    desk: Client, lease: Lease, name: str
) -> None:
    where = address("leasing.lease", "change", lease.pk)
    answer = desk.post(where, filled(desk, where) | {name: "10.005"})
    assert "An amount in USD has at most 2 decimals." in errors(answer)


def test_a_lease_takes_the_currency_of_its_account(desk: Client, lease: Lease) -> None:
    lease.account.currency = "JPY"
    lease.account.save()
    where = address("leasing.lease", "change", lease.pk)
    data = filled(desk, where)
    assert "has no decimals" in errors(desk.post(where, data))
    whole = {"rent_minor": "98000", "charges-0-amount_minor": "5"}
    desk.post(where, data | whole | {"rent_steps-0-rent_minor": "99000"})
    lease.refresh_from_db()
    assert (lease.currency, lease.rent_minor) == ("JPY", 98_000)


def test_a_rent_is_not_below_zero(desk: Client, lease: Lease) -> None:
    where = address("leasing.lease", "change", lease.pk)
    answer = desk.post(where, filled(desk, where) | {"rent_minor": "-1"})
    assert "greater than or equal to 0" in errors(answer)


@pytest.mark.parametrize("place", ["firm", "property"])
def test_terms_are_in_the_currency_of_their_place(desk: Client, ours: Firm, place: str) -> None:
    home = Property.objects.get(firm=ours)
    home.currency = "JPY"
    home.save()
    where = address("leasing.propertybillingconfig", "add")
    data = filled(desk, where) | {"effective_from": "2030-01-01", "late_fee_minor": "50"}
    if place == "property":
        data["property"] = home.pk
    answer = desk.post(where, data)
    assert answer.status_code == 302, errors(answer)
    terms = PropertyBillingConfig.objects.get(effective_from="2030-01-01")
    assert terms.late_fee_minor == {"firm": 5_000, "property": 50}[place]


def test_a_cap_is_in_its_own_currency(office: Client) -> None:
    where = address("leasing.jurisdictioncap", "add")
    data = {"code": "US-NY", "currency": "USD", "max_fee_minor": "50", "source": "RPL 238-a"}
    assert office.post(where, data).status_code == 302
    assert JurisdictionCap.objects.get().max_fee_minor == 5_000
