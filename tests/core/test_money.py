"""Money: minor units in, minor units out, never a float, never two currencies in one sum."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moneyed import Money

from apps.core import money
from apps.core.problems import Problem

NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
TWO_DECIMALS = "AED AUD CAD CHF EUR GBP GEL HUF MXN NZD PLN TRY TWD USD ZAR"


@pytest.mark.parametrize(
    ("codes", "exponent"),
    [(NO_DECIMALS, 0), (TWO_DECIMALS, 2), (THREE_DECIMALS, 3), ("CLF", 4)],
)
def test_the_exponent_is_that_of_iso_4217(codes: str, exponent: int) -> None:
    assert {code: money.exponent(code) for code in codes.split()} == dict.fromkeys(
        codes.split(), exponent
    )


@pytest.mark.parametrize("code", ["", "usd", "US", "XQQ", "DOLLAR"])
def test_an_unknown_currency_is_refused(code: str) -> None:
    with pytest.raises(Problem, match=f"^unknown currency '{code}'$"):
        money.from_minor(100, code)


@pytest.mark.parametrize(
    ("minor", "code", "amount"),
    [
        (150_000, "USD", "1500.00"),
        (5_000, "JPY", "5000"),
        (1_234, "KWD", "1.234"),
        (-1, "EUR", "-0.01"),
        (0, "GBP", "0"),
    ],
)
def test_minor_units_are_money_and_back(minor: int, code: str, amount: str) -> None:
    assert money.from_minor(minor, code) == Money(amount, code)
    assert money.to_minor(Money(amount, code)) == minor


@settings(deadline=None)  # machines under load are slow
@given(minor=st.integers(-(10**18), 10**18), code=st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_the_way_there_and_back_loses_nothing(minor: int, code: str) -> None:
    assert money.to_minor(money.from_minor(minor, code)) == minor


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        ("0.005", "USD", 1),
        ("0.015", "USD", 2),
        ("0.025", "USD", 3),
        ("-0.005", "USD", -1),
        ("0.0049", "USD", 0),
        ("0.5", "JPY", 1),
        ("1.5", "JPY", 2),
        ("0.0005", "KWD", 1),
    ],
)
def test_halves_are_rounded_away_from_zero(amount: str, code: str, minor: int) -> None:
    assert money.to_minor(Money(amount, code)) == minor


@pytest.mark.parametrize(
    ("minor", "covered", "of", "part"),
    [  # spec D17, acceptance 1
        (150_000, 13, 30, 65_000),
        (150_000, 12, 29, 62_069),
        (145_000, 10, 28, 51_786),
        (98_000, 5, 31, 15_806),
        (150_000, 30, 30, 150_000),
    ],
)
def test_a_part_of_a_month_costs_its_days(minor: int, covered: int, of: int, part: int) -> None:
    assert money.prorate(minor, covered=covered, of=of) == part


@pytest.mark.parametrize(
    ("minor", "percent", "part"),
    [  # spec D18, acceptance 2
        (150_000, "5", 7_500),
        (50_000, "5", 2_500),
        (100_010, "5", 5_001),
        (98_765, "5", 4_938),
        (100_000, "0", 0),
    ],
)
def test_a_percentage_is_rounded_once(minor: int, percent: str, part: int) -> None:
    assert money.percentage(minor, Decimal(percent)) == part


@pytest.mark.parametrize(
    ("minor", "shares", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (7, [0, 2, 1], [0, 5, 2]),
        (10, [1, 5], [2, 8]),
        (0, [3, 4], [0, 0]),
        (1, [1], [1]),
    ],
)
def test_a_split_gives_the_rest_to_whoever_lost_most(
    minor: int, shares: list[int], parts: list[int]
) -> None:
    assert money.split(minor, shares) == parts


@settings(deadline=None)
@given(
    minor=st.integers(-(10**15), 10**15),
    shares=st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any),
)
def test_a_split_adds_up_and_is_never_a_unit_off(minor: int, shares: list[int]) -> None:
    parts = money.split(minor, shares)
    assert sum(parts) == minor
    for part, share in zip(parts, shares, strict=True):
        exact = Decimal(minor) * share / sum(shares)
        assert abs(part - exact) < 1
        assert share or part == 0


@pytest.mark.parametrize(
    ("minor", "code", "written", "grouped"),
    [
        (500_000, "USD", "$5000.00", "$5,000.00"),
        (4_000, "GBP", "£40.00", "£40.00"),
        (123_456_789, "EUR", "€1234567.89", "€1,234,567.89"),
        (120_000, "JPY", "¥120000", "¥120,000"),
        (5_900, "GEL", "59.00 GEL", "59.00 GEL"),
        (1_234_567, "KWD", "1234.567 KWD", "1,234.567 KWD"),
        (1_000_000, "ISK", "1000000 ISK", "1,000,000 ISK"),
        (0, "USD", "$0.00", "$0.00"),
        (0, "JPY", "¥0", "¥0"),
        (-5, "USD", "-$0.05", "-$0.05"),
        (-150_000, "GEL", "-1500.00 GEL", "-1,500.00 GEL"),
    ],
)
def test_amounts_read_as_specified(minor: int, code: str, written: str, grouped: str) -> None:
    amount = money.from_minor(minor, code)
    assert money.write(amount) == money.write_minor(minor, code) == written
    assert money.write_grouped(amount) == grouped


@pytest.mark.parametrize(
    ("amount", "written"), [("0.125", "$0.13"), ("2.675", "$2.68"), ("-0.001", "$0.00")]
)
def test_writing_rounds_like_everything_else(amount: str, written: str) -> None:
    assert money.write(Money(amount, "USD")) == written


def test_totals_print_one_figure_per_currency_ordered_by_code() -> None:
    totals = {
        "USD": money.from_minor(750_000, "USD"),
        "GBP": money.from_minor(12_000, "GBP"),
        "JPY": money.from_minor(120_000, "JPY"),
    }
    assert money.write_totals(totals) == "£120.00, ¥120000, $7500.00"
    assert money.write_totals(totals.values()) == "£120.00, ¥120000, $7500.00"


def test_totals_add_up_amounts_of_one_currency_only() -> None:
    amounts = [Money(1, "USD"), Money(2, "EUR"), Money("0.50", "USD")]
    assert money.write_totals(amounts) == "€2.00, $1.50"


def test_no_total_is_a_zero() -> None:
    assert money.write_totals({}) == "$0.00"
    assert money.write_totals([], default="JPY") == "¥0"


def test_two_currencies_cannot_be_added() -> None:
    with pytest.raises(TypeError):
        Money(1, "USD") + Money(1, "EUR")
