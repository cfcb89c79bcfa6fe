"""How Stripe counts money: not quite in the minor units of ISO 4217 (spec A3.3).

Three small tables. Their owner is whoever looks after the gateway account: compare them
with https://docs.stripe.com/currencies (sections "Zero-decimal currencies", "Special cases",
"Three-decimal currencies", "Minimum and maximum charge amounts") once a year, and when a
firm starts to charge in another currency. Last compared in November 2026.
"""

from apps.core import money
from apps.integrations.payments import Refused

# Sent in whole units: ¥5000 is 5000. ISK and UGX have no decimals either, but Stripe kept
# the two they once had, so they are absent; MGA is here although ISO gives it two.
ZERO_DECIMALS = frozenset(
    {
        "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV",
        "XAF", "XOF", "XPF",
    }
)  # fmt: skip

# Sent in thousandths of which the last digit must be 0.
THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})

# Everything else is sent with two decimals.

# The least that can be charged, in ISO minor units. Stripe compares with what is left after
# conversion to the account's own currency, so that a currency which is not listed, or a
# change of rates, may still be refused as "amount_too_small".
LEAST = {
    "AED": 2_00, "AUD": 50, "BGN": 1_00, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 15_00,
    "DKK": 2_50, "EUR": 50, "GBP": 30, "HKD": 4_00, "HUF": 175_00, "INR": 50, "JPY": 50,
    "MXN": 10_00, "MYR": 2_00, "NOK": 3_00, "NZD": 50, "PLN": 2_00, "RON": 2_00,
    "SEK": 3_00, "SGD": 50, "THB": 10_00, "USD": 50,
}  # fmt: skip


def to_gateway(minor: int, currency: str) -> int:
    """Return what Stripe calls an amount that is given in minor units.

    Raises ``Refused`` for one that Stripe cannot say: a third decimal of a dinar.
    """
    amount = _scaled(minor, _decimals(currency) - money.exponent(currency))
    if amount is None or (currency in THREE_DECIMALS and amount % 10):
        written = money.write_minor(minor, currency)
        raise Refused(f"{written} cannot be charged exactly.", code="invalid_amount")
    return amount


def from_gateway(amount: int, currency: str) -> int:
    """Return an amount of Stripe's in minor units.

    Raises ``Refused`` for a fraction of the smallest unit there is: half a króna.
    """
    minor = _scaled(amount, money.exponent(currency) - _decimals(currency))
    if minor is None:
        raise Refused(
            f"{amount} in {currency} is no whole number of its smallest unit.",
            code="invalid_amount",
        )
    return minor


def minimum(currency: str) -> int | None:
    """Return the least that can be charged, in minor units, if Stripe names one."""
    return LEAST.get(currency)


def _decimals(currency: str) -> int:
    if currency in ZERO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def _scaled(amount: int, places: int) -> int | None:
    """Move the decimal point to the right, or back if nothing is lost by it."""
    factor = int(10 ** abs(places))
    if places >= 0:
        return amount * factor
    return None if amount % factor else amount // factor
