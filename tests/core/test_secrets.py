"""Credentials are encrypted at rest and shown to nobody."""

import io

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection
from pytest_django import Settings

from apps.core.fields import Secrets
from apps.core.problems import Problem
from apps.webhooks.models import GatewayAccount
from tests.factories import FirmFactory

KEY = "sk_test_marker_4eC39HqLyjWDarjtT1zdp7dc"

pytestmark = pytest.mark.django_db


def stored() -> GatewayAccount:
    return GatewayAccount.objects.create(
        firm=FirmFactory(), provider="stripe", credentials=Secrets(secret_key=KEY)
    )


def column() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials FROM webhooks_gatewayaccount")
        return str(cursor.fetchone()[0])


def test_they_come_back_as_they_went() -> None:
    account = stored()
    account.refresh_from_db()
    assert account.credentials == {"secret_key": KEY}


def test_the_column_does_not_hold_them() -> None:
    stored()
    assert KEY not in column()
    assert "secret_key" not in column()


def test_the_same_secret_is_never_written_the_same_way_twice() -> None:
    account = stored()
    before = column()
    account.save()
    assert column() != before


def test_printing_them_shows_their_names_only() -> None:
    account = stored()
    for shown in (repr(account.credentials), f"{account.credentials}", f"{vars(account)}"):
        assert KEY not in shown
    assert repr(account.credentials) == "<secrets: secret_key>"


def test_a_dump_of_the_database_carries_none() -> None:
    out = io.StringIO()
    serializers.serialize("json", [stored()], stream=out)
    assert KEY not in out.getvalue()


def test_an_account_without_any_has_none() -> None:
    account = GatewayAccount.objects.create(firm=FirmFactory(), provider="stripe")
    account.refresh_from_db()
    assert account.credentials == {}
    assert repr(account.credentials) == "<secrets: none>"


def test_what_an_older_key_wrote_can_be_read_and_is_renewed_by_saving(
    settings: Settings,
) -> None:
    account = stored()
    [old] = settings.ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, old]
    account.refresh_from_db()
    assert account.credentials["secret_key"] == KEY
    account.save()
    settings.ENCRYPTION_KEYS = [new]
    account.refresh_from_db()
    assert account.credentials["secret_key"] == KEY


def test_without_the_key_the_sentence_says_so_and_nothing_else(settings: Settings) -> None:
    account = stored()
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(Problem) as caught:
        account.refresh_from_db()
    assert str(caught.value) == (
        "A stored credential cannot be read: ENCRYPTION_KEYS lacks its key."
    )


def test_nobody_can_search_by_them() -> None:
    stored()
    with pytest.raises(FieldError):
        GatewayAccount.objects.filter(credentials=KEY).exists()
