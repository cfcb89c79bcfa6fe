"""How much a late fee is: base, rate, caps; no database (spec D18 "Amount").

All amounts are minor units of the property's currency.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from moneyed import Money

from apps.core import money
from apps.core.days import DAY
from apps.core.problems import Problem
from apps.leasing.models import JurisdictionCap, PropertyBillingConfig

INITIAL = "initial"  # the key of the first fee; a daily fee has its day


@dataclass(frozen=True, slots=True)
class Fee:
    """A late fee, decided and not yet written."""

    key: str
    in_time_until: date  # whoever had paid by this day owes no such fee
    config: PropertyBillingConfig
    base_minor: int
    rate: Decimal | None  # per cent
    fee_minor: int
    cap_minor: int = 0  # the cap, when it made the fee smaller
    cap_applied: str = ""

    def how(self, code: str, write: Callable[[Money], str]) -> str:
        """Say how the fee came about: ``5% of $1900.00, capped at $75.00``."""
        if self.key != INITIAL:
            words = f"for {self.key}"
        elif self.rate is None:
            words = "flat"
        else:
            base = write(money.from_minor(self.base_minor, code))
            words = f"{self.rate.normalize():f}% of {base}"
        if self.cap_applied:
            words += f", capped at {write(money.from_minor(self.cap_minor, code))}"
        return words


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the late fees of one invoice: the terms and the law of the place."""

    law: JurisdictionCap | None
    currency: str
    rent_minor: int  # per month

    def cap(
        self, config: PropertyBillingConfig, wanted: int, *, charged: int
    ) -> tuple[int, int, str]:
        """Return the fee after the caps, the cap that cut it and that cap's name.

        A cap bounds everything an invoice is charged for being late, so what has been
        ``charged`` before counts. The smallest wins.
        """
        caps = self._caps(config)
        if not caps:
            return wanted, 0, ""
        cap, name = min(caps)
        if wanted <= cap - charged:
            return wanted, 0, ""
        return max(0, cap - charged), cap, name

    def _caps(self, config: PropertyBillingConfig) -> list[tuple[int, str]]:
        caps = []
        if config.max_fee_minor is not None:
            caps.append((config.max_fee_minor, "max_fee"))
        if config.max_percent_of_rent is not None:
            share = money.percentage(self.rent_minor, config.max_percent_of_rent)
            caps.append((share, "max_percent_of_rent"))
        if self.law is None:
            return caps
        if self.law.max_fee_minor is not None:
            if self.law.currency != self.currency:
                raise Problem(
                    f"the cap of {self.law} is in {self.law.currency}, "
                    f"the invoice in {self.currency}"
                )
            caps.append((self.law.max_fee_minor, f"jurisdiction {self.law}"))
        if self.law.max_percent_of_rent is not None:
            share = money.percentage(self.rent_minor, self.law.max_percent_of_rent)
            caps.append((share, f"jurisdiction {self.law}"))
        return caps


def initial_fee(
    config: PropertyBillingConfig, *, principal: int, limits: Limits, grace_end: date
) -> Fee:
    """Return the fee for an invoice with this much unpaid principal; it may be zero."""
    rate = None
    base, fee = principal, config.late_fee_minor
    if config.late_fee_type == PropertyBillingConfig.LateFee.PERCENTAGE:
        rate = config.late_fee_percent
        if config.percent_base == PropertyBillingConfig.Base.RENT:
            base = limits.rent_minor
        fee = money.percentage(base, rate)
    fee, cap, name = limits.cap(config, fee, charged=0)
    return Fee(INITIAL, grace_end, config, base, rate, fee, cap, name)


def daily_fees(
    configs: Sequence[tuple[date, PropertyBillingConfig]],
    *,
    principal: int,
    limits: Limits,
    charged: int,
) -> list[Fee]:
    """Return the fees for these days, by the terms of each, until a cap is reached."""
    fees = []
    for day, config in configs:
        fee, cap, name = limits.cap(config, config.daily_minor, charged=charged)
        if fee > 0:
            until = day - DAY
            fees.append(Fee(day.isoformat(), until, config, principal, None, fee, cap, name))
            charged += fee
    return fees


def daily_days(initial_on: date, config: PropertyBillingConfig, *, today: date) -> list[date]:
    """Return the days up to today for which the terms ask a daily fee.

    The first is the day after the initial fee.
    """
    if config.fee_frequency != PropertyBillingConfig.Frequency.DAILY:
        return []
    days = min((today - initial_on).days, config.daily_max_days)
    return [initial_on + timedelta(days=n) for n in range(1, days + 1)]
