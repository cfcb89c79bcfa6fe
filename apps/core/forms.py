"""Amounts as people read and type them, and secrets that are only ever typed.

The database holds amounts in minor units (spec A3.1).
"""

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib import admin
from django.db.models import Model

from apps.core import money

M = TypeVar("M", bound=Model)

MINOR = "_minor"
NOTHING = "-"  # as the admin writes an empty column
MOST = 10**15  # minor units; a bigint holds a thousand times as much


def is_amount(name: Any) -> bool:
    """Whether a column holds an amount: its name says so."""
    return isinstance(name, str) and name.endswith(MINOR)


def label_of(name: str) -> str:
    """Return what people call a column of amounts: ``rent`` for ``rent_minor``."""
    return name.removesuffix(MINOR).replace("_", " ")


@cache
def written(name: str, currency: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a column of the admin that writes an amount out: ``$1,500.00``.

    ``currency`` finds the ISO code for a row.
    """

    def amount(row: Any) -> str:
        minor: int | None = getattr(row, name)
        if minor is None:
            return NOTHING
        return money.write_grouped(money.from_minor(minor, currency(row)))

    amount.__name__ = name
    return admin.display(description=label_of(name), ordering=name)(amount)


def parse_amount(typed: Decimal, code: str) -> int:
    """Return the minor units of an amount that somebody typed in major units.

    Raises ``ValidationError`` for decimals that the currency does not have.
    """
    places = money.exponent(code)
    decimals = typed.as_tuple().exponent
    assert isinstance(decimals, int)  # DecimalField lets neither NaN nor infinity through
    if -decimals > places:
        most = f"at most {places} decimals" if places else "no decimals"
        raise forms.ValidationError(f"An amount in {code} has {most}.")
    minor = int(typed.scaleb(places))
    if abs(minor) > MOST:
        raise forms.ValidationError("This amount is too large.")
    return minor


class AmountField(forms.DecimalField):
    """An amount in major units: ``1500.00``. Its form knows in which currency."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 20)
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal", "size": 12}))
        super().__init__(**kwargs)

    @classmethod
    def of(cls, db_field: Any, *, signed: bool = False) -> "AmountField":
        """Return the form field for a column of minor units."""
        return cls(
            label=label_of(db_field.name).capitalize(),
            help_text=db_field.help_text,
            required=not db_field.blank,
            initial=0 if db_field.default == 0 else None,
            min_value=None if signed else 0,
        )


class AmountsForm(forms.ModelForm[M], Generic[M]):
    """A form whose ``AmountField`` shows and takes major units of the row's currency.

    ``parent`` is the row that this one hangs on, where the form is part of an inline.
    """

    def __init__(self, *args: Any, parent: Model | None = None, **kwargs: Any) -> None:
        self.parent = parent
        super().__init__(*args, **kwargs)
        code = self.currency({})
        for name in self._amounts():
            field, minor = self.fields[name], self.initial.get(name)
            if code:
                field.help_text = f"In {code}. {field.help_text}".strip()
            if minor:
                self.initial[name] = money.from_minor(minor, code).amount if code else None

    def currency(self, cleaned: dict[str, Any]) -> str:
        """Return the code of the row's currency, empty while nobody has said it."""
        for row in (self.instance, self.parent):
            if code := cleaned.get("currency") or getattr(row, "currency", ""):
                return str(code)
        return ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        code = self.currency(cleaned)
        for name in self._amounts():
            typed = cleaned.get(name)
            if typed is None:
                continue
            if not code and not self.errors:
                self.add_error(name, "The currency is not known yet.")
            elif code:
                try:
                    cleaned[name] = parse_amount(typed, code)
                except forms.ValidationError as problem:
                    self.add_error(name, problem)
        return cleaned

    def _amounts(self) -> list[str]:
        return [name for name, field in self.fields.items() if isinstance(field, AmountField)]


class SecretField(forms.CharField):
    """A secret that is typed and never shown again; empty keeps the one that is stored."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.PasswordInput(attrs={"autocomplete": "off"}))
        super().__init__(required=False, max_length=4000, **kwargs)
