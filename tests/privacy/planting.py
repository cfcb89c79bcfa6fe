"""Plants a row in every table for somebody, with a marker of theirs in every text column.

It knows no table by name, only what Django knows of each: a table made next year is planted,
too. ``SPECIAL`` has what a table's own rules want.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from axes.models import AccessBase
from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.db.models import Model

from apps.core.fields import Secrets, SecretsField
from apps.core.personal import holdings
from apps.firms.models import User
from apps.notifications.models import NotificationPreference
from tests.privacy.pages import text_columns

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
BEGIN = date(2025, 1, 1)

# What checks and unique constraints want, by table.
SPECIAL: dict[str, dict[str, Any]] = {
    "firms.user": {"erased_at": None},
    "contacts.contact": {"erased_at": None},
    "billing.billingaccount": {"default_payment_method": None},  # which needs the account
    "documents.document": {"text": ""},  # a file then, which has a name
    "documents.filerequest": {"fulfilled_at": None},
    "notifications.notification": {"recipient_user": None},
    "notifications.notificationgroup": {"kind": "dynamic"},
    "fieldwork.workorder": {"status": "ASSIGNED"},  # to the contractor
    "calendars.eventattendee": {"user": None},  # a contact then
    "jobs.jobpause": {"until": None},
    "console.grant": {"group": None, "may_pause": False},  # a person's, in their firm
    "crm.deal": {"closed_at": None, "stale_since": None},
    "crm.dealactivity": {"cancelled_at": None},
    "crm.staledealalert": {"last_reminded_on": None},
    # Files that are a letter's and nobody else's: here there is one, and it is signed.
    "mailbox.emailmessage": {"raw": None},
    "mailbox.emailattachment": {"document": None},
    "mailbox.ticket": {"closed_at": None},  # open
}
# Text columns that no marker fits into.
CODES = {
    ("privacy.statutoryperiod", "country"): "XX",
}
CURRENCY = "KWD"  # three decimals


class Planter:
    """Whoever is planted, and their rows by table; rows given are there already."""

    def __init__(self, sign: str, *given: Model) -> None:
        self.sign = sign  # one letter that stands nowhere else
        self.rows: dict[type[Model], Model] = {type(row): row for row in given}
        self.markers: dict[tuple[str, str], str] = {}  # by table and column
        self._planting: list[type[Model]] = []

    def plant_everything(self) -> None:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.managed and not model._meta.proxy:
                self.row(model)

    def row(self, model: type[Model]) -> Any:
        if model not in self.rows:
            self._planting.append(model)
            self.rows[model] = self._new(model)
            self._planting.pop()
        return self.rows[model]

    def _new(self, model: type[Model]) -> Model:
        columns = dict(SPECIAL.get(model._meta.label_lower, {}))
        if model is NotificationPreference:
            columns["recipient_key"] = f"user:{self.row(User).pk}"
        if issubclass(model, AccessBase):  # of whoever is called so
            columns["username"] = self.row(User).get_username()
            columns["ip_address"] = "203.0.113.7"
        for number, column in enumerate(model._meta.concrete_fields):
            if column.name not in columns and not _is_made_elsewhere(column):
                columns[column.name] = self._value(model, column, number)
        try:
            with transaction.atomic():
                # Past save() and its signals, which want schedules that make sense.
                return model._base_manager.bulk_create([model(**columns)])[0]
        except IntegrityError:  # one of a kind, and there is one: a firm's settings
            found = model._base_manager.first()
            if found is None or _is_about_people(model):
                raise
            return found

    def _value(self, model: type[Model], column: Any, number: int) -> Any:
        if isinstance(column, models.ForeignKey):
            return self._linked(model, column)
        if column in text_columns(model):
            return self._text(model, column)
        if column.name == "restricted_until":
            return None  # nobody was erased
        if column.choices:
            return next(value for value, _ in column.flatchoices if value != "")
        if column.has_default():
            return column.get_default()
        match column:
            case models.DateTimeField():
                return datetime(2025, 1, 1, 12, 0, 0, 5, tzinfo=UTC) + timedelta(days=number)
            case models.DateField():
                return BEGIN + timedelta(days=number)
            case models.DecimalField():
                return Decimal(1)
            case models.UUIDField():
                return uuid4()
            case models.BooleanField():
                return False
        return 1_234

    def _linked(self, model: type[Model], column: Any) -> Any:
        target = column.related_model
        page = next(page for page in holdings() if page.model is model)
        if column.null and (column.name in page.authors or target in {model, *self._planting}):
            return None
        return self.row(target)

    def _text(self, model: type[Model], column: Any) -> Any:
        label = model._meta.label_lower
        if (label, column.name) in CODES:
            return CODES[label, column.name]
        if column.name == "currency":
            return CURRENCY
        number = len(self.markers)
        marker = f"{self.sign}{DIGITS[number // 36]}{DIGITS[number % 36]}"
        self.markers[label, column.name] = marker
        match column:
            case models.EmailField():
                return f"{marker}@example.com"
            case models.JSONField():
                return {"said": [marker]}
            case models.BinaryField():
                return marker.encode()
            case SecretsField():
                return Secrets(key=marker)
        return marker


def _is_made_elsewhere(column: Any) -> bool:
    """Whether the database or the model itself fills a column."""
    if isinstance(column, models.GeneratedField | models.AutoField):
        return True
    return bool(getattr(column, "auto_now", False))


def _is_about_people(model: type[Model]) -> bool:
    return any(page.of for page in holdings() if page.model is model)
