"""Columns that many tables have: when a row changed, and secrets that are encrypted at rest."""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.utils import timezone

from apps.core.problems import Problem


class Dated(models.Model):
    """When a row was made and last changed."""

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Retained(models.Model):
    """A record that the law wants kept for some years, also of somebody who was erased."""

    restricted_until = models.DateField(
        null=True,
        blank=True,
        editable=False,
        help_text="Kept for the law alone, and hidden; after this day it is anonymised.",
    )

    class Meta:
        abstract = True


class Secrets(dict[str, str]):
    """Credentials by name. Printing it, in a log or an error page, shows the names only."""

    def __repr__(self) -> str:
        return f"<secrets: {', '.join(sorted(self)) or 'none'}>"

    __str__ = __repr__


class SecretsField(models.TextField[Secrets, Secrets]):
    """``Secrets``, encrypted at rest with the first of ``settings.ENCRYPTION_KEYS``.

    Values that an older key of the list wrote can still be read; saving a row writes it with
    the newest. The column can be neither searched nor compared, and the admin does not edit
    it: forms ask for new secrets and never show the old.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"editable": False, "default": Secrets, "blank": True}
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for fixed in ("editable", "default", "blank"):
            kwargs.pop(fixed, None)
        return name, path, args, kwargs

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value  # a default of the schema editor, or encrypted already
        return _cipher().encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Secrets:
        if not value:
            return Secrets()
        try:
            return Secrets(json.loads(_cipher().decrypt(value.encode())))
        except InvalidToken:
            raise Problem(
                "A stored credential cannot be read: ENCRYPTION_KEYS lacks its key."
            ) from None

    def get_lookup(self, lookup_name: str) -> Any:
        return None  # equal secrets have different ciphertexts

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Secrets) else Secrets(value or {})

    def value_to_string(self, obj: models.Model) -> str:
        return ""  # a dump of the database by manage.py carries no secrets


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
