"""Money: whole minor units in the database, ``moneyed.Money`` in Python, never a float.

The ISO table (which currencies exist, how many decimals they have) is py-moneyed's.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from moneyed import Currency, CurrencyDoesNotExist, Money, get_currency

from apps.core.problems import Problem

_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def currency(code: str) -> Currency:
    """Return the ISO 4217 currency with this code.

    Raises ``Problem`` for an unknown one: two decimals are never assumed (spec A3.2).
    """
    try:
        return get_currency(code)
    except CurrencyDoesNotExist:
        raise Problem(f"unknown currency '{code}'") from None


@lru_cache(maxsize=512)
def exponent(code: str) -> int:
    """Return how many decimals a currency has: 2 for USD, 0 for JPY, 3 for KWD."""
    return len(str(currency(code).sub_unit)) - 1


def from_minor(minor: int, code: str) -> Money:
    """Return the money that ``minor`` minor units (cents, pence, yen) are."""
    return Money(Decimal(minor).scaleb(-exponent(code)), code)


def to_minor(money: Money) -> int:
    """Return an amount in minor units, rounded half up to the currency's exponent."""
    return round_minor(money.amount.scaleb(exponent(money.currency.code)))


def round_minor(minor: Decimal) -> int:
    """Return the nearest whole number of minor units, halves away from zero (spec A3.4)."""
    return int(minor.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def prorate(minor: int, *, covered: int, of: int) -> int:
    """Return the part of ``minor`` that ``covered`` of ``of`` days are worth, rounded once.

    Both counts include the first and the last covered day (spec A4.5).
    """
    return round_minor(Decimal(minor) * covered / of)


def percentage(minor: int, percent: Decimal) -> int:
    """Return ``percent`` per cent of ``minor``, rounded once."""
    return round_minor(Decimal(minor) * percent / 100)


def split(minor: int, shares: Sequence[int]) -> list[int]:
    """Divide ``minor`` in proportion to ``shares`` so that the parts add up to the whole.

    Largest remainder: what rounding down left over goes, one unit each, to the parts that
    lost most (spec A3.4). Shares are whole numbers of at least zero, not all of them zero.
    """
    if minor < 0:
        return [-part for part in split(-minor, shares)]
    total = sum(shares)
    parts = [minor * share // total for share in shares]
    left = minor - sum(parts)
    by_loss = sorted(range(len(parts)), key=lambda i: (-(minor * shares[i] % total), i))
    for index in by_loss[:left]:
        parts[index] += 1
    return parts


def write(money: Money) -> str:
    """Write an amount as the commands print it: ``$5000.00``, ``¥120000``, ``59.00 GEL``."""
    return _write(money, grouping="")


def write_grouped(money: Money) -> str:
    """Write an amount with thousands separators, as e-mail bodies do: ``$5,000.00``."""
    return _write(money, grouping=",")


def write_minor(minor: int, code: str) -> str:
    """Write an amount given in minor units as the commands print it."""
    return write(from_minor(minor, code))


def write_totals(totals: Mapping[str, Money] | Iterable[Money], *, default: str = "USD") -> str:
    """Write one figure per currency, ordered by code: ``¥120000, $7500.00`` (spec A3.5).

    Without any amount, a zero in the ``default`` currency.
    """
    by_code: dict[str, Money] = {}
    for amount in totals.values() if isinstance(totals, Mapping) else totals:
        code = amount.currency.code
        by_code[code] = by_code.get(code, Money(0, code)) + amount
    if not by_code:
        return write(Money(0, default))
    return ", ".join(write(by_code[code]) for code in sorted(by_code))


def _write(money: Money, grouping: str) -> str:
    code = money.currency.code
    minor = to_minor(money)  # rounds half up; format() would round halves to even
    figure = f"{from_minor(abs(minor), code).amount:{grouping}f}"
    sign = "-" if minor < 0 else ""
    if code in _SYMBOLS:
        return f"{sign}{_SYMBOLS[code]}{figure}"
    return f"{sign}{figure} {code}"
