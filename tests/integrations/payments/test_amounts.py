"""Amounts, as Stripe counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moneyed import CURRENCIES

from apps.core import money
from apps.integrations.payments import Refused
from apps.integrations.payments.amounts import (
    LEAST,
    THREE_DECIMALS,
    ZERO_DECIMALS,
    from_gateway,
    minimum,
    to_gateway,
)

minors = st.integers(min_value=0, max_value=99_999_999)
codes = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (5_000_00, "USD", 500_000),
        (50, "EUR", 50),
        (5_000, "JPY", 5_000),  # never 500000
        (120_000, "KRW", 120_000),
        (7_000, "XPF", 7_000),
        (5_000, "ISK", 500_000),  # no decimals, and sent with two
        (5_000, "UGX", 500_000),
        (10_500, "KWD", 10_500),  # 10.500 dinars
        (250_000, "HUF", 250_000),
        (1_000, "MGA", 10),  # ISO gives it two decimals, Stripe none
        (59_00, "GEL", 5_900),
        (0, "USD", 0),
    ],
)
def test_are_sent_and_read_back(minor: int, currency: str, amount: int) -> None:
    assert to_gateway(minor, currency) == amount
    assert from_gateway(amount, currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "written"),
    [
        (10_505, "KWD", "10.505 KWD"),  # the third decimal must be 0
        (1, "TND", "0.001 TND"),
        (1_050, "MGA", "10.50 MGA"),
        (1_001, "IQD", "1.001 IQD"),  # three decimals in ISO, two at Stripe
    ],
)
def test_that_stripe_cannot_say_are_refused(minor: int, currency: str, written: str) -> None:
    with pytest.raises(Refused) as refused:
        to_gateway(minor, currency)
    assert str(refused.value) == f"{written} cannot be charged exactly."
    assert refused.value.code == "invalid_amount"


def test_with_a_fraction_of_the_smallest_unit_are_refused() -> None:
    with pytest.raises(Refused, match="50050 in ISK is no whole number"):
        from_gateway(50_050, "ISK")


@given(minors, codes)
def test_come_back_as_they_went(minor: int, currency: str) -> None:
    try:
        amount = to_gateway(minor, currency)
    except Refused:
        return
    assert from_gateway(amount, currency) == minor


@given(minors, minors, codes)
def test_keep_their_order_and_their_sum(first: int, second: int, currency: str) -> None:
    try:
        parts = [to_gateway(first, currency), to_gateway(second, currency)]
    except Refused:
        return
    assert to_gateway(first + second, currency) == sum(parts)
    assert (parts[0] < parts[1]) == (first < second)


@given(minors, codes)
def test_mean_the_same_money(minor: int, currency: str) -> None:
    try:
        amount = to_gateway(minor, currency)
    except Refused:
        return
    decimals = 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    worth = money.from_minor(minor, currency).amount
    assert worth.scaleb(decimals) == amount


@given(st.integers(min_value=0, max_value=9_999_999), st.sampled_from(sorted(THREE_DECIMALS)))
def test_in_dinars_always_end_in_nought(minor: int, currency: str) -> None:
    assert to_gateway(minor * 10, currency) % 10 == 0


@pytest.mark.parametrize(
    ("currency", "least"), [("USD", 50), ("GBP", 30), ("JPY", 50), ("HUF", 17_500)]
)
def test_have_a_least(currency: str, least: int) -> None:
    assert minimum(currency) == least


def test_have_no_least_where_stripe_names_none() -> None:
    assert minimum("GEL") is None


def test_tables_name_currencies_that_exist() -> None:
    for currency in {*ZERO_DECIMALS, *THREE_DECIMALS, *LEAST}:
        money.currency(currency)
    assert not ZERO_DECIMALS & THREE_DECIMALS
