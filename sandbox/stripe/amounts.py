"""Which amounts Stripe takes: currencies, their units, their minimums."""

from sandbox.stripe.errors import invalid

__all__ = ["check_amount", "check_currency"]

LARGEST = 99_999_999


def _codes(words: str) -> frozenset[str]:
    return frozenset(words.split())


ZERO_DECIMALS = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])  # the last digit must be 0
WHOLE_ONLY = frozenset({"isk", "ugx"})  # two decimals on the wire, which must be 00
# docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
MINIMUMS = {
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}
CURRENCIES = _codes(
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd "
    "bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp "
    "gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw "
    "kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad "
    "ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek "
    "sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst "
    "xaf xcd xof xpf yer zar zmw"
)


def check_currency(currency: str, *, param: str = "currency") -> str:
    """Return the currency as Stripe spells it, in lower case."""
    if currency.lower() not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency.lower()}.", param=param)
    return currency.lower()


def check_amount(amount: int, currency: str, *, param: str = "amount") -> int:
    """Return the amount if it can be charged in this currency."""
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise invalid(message, param=param, code="parameter_invalid_integer")
    if amount > LARGEST:
        message = f"Amount must be no more than {_shown(LARGEST, currency)}"
        raise invalid(message, param=param, code="amount_too_large")
    if currency in THREE_DECIMALS and amount % 10:
        message = f"Amounts in {currency} must be rounded to the nearest ten: {amount}"
        raise invalid(message, param=param, code="parameter_invalid_integer")
    if currency in WHOLE_ONLY and amount % 100:
        message = f"Amounts in {currency} must be divisible by 100: {amount}"
        raise invalid(message, param=param, code="parameter_invalid_integer")
    if amount < MINIMUMS.get(currency, 1):
        message = f"Amount must be at least {_shown(MINIMUMS[currency], currency)}"
        raise invalid(message, param=param, code="amount_too_small")
    return amount


def _shown(amount: int, currency: str) -> str:
    exponent = 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    return f"{amount / 10**exponent:.{exponent}f} {currency}"
