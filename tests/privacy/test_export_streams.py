"""An export needs no more memory for many records than for a few."""

import tracemalloc
from pathlib import Path

import pytest

from apps.core import bulk
from apps.firms.models import User
from apps.notifications.models import Notification
from apps.privacy.services import export_user_data
from tests.factories import ContactFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MANY = 8_000
MEBIBYTE = 2**20


def peak(user: User, folder: Path) -> int:
    tracemalloc.start()
    try:
        folder.mkdir()
        assert export_user_data(user_id=user.pk, output_dir=str(folder)).done == 1
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_records(tmp_path: Path) -> None:
    contact = ContactFactory(user=UserFactory())
    user, firm = contact.user, contact.firm
    peak(user, tmp_path / "warm")
    few = peak(user, tmp_path / "few")
    columns = ("firm", "type", "recipient_contact", "recipient_key", "dedupe_key", "context")
    text = {"said": "x" * 1_000}
    bulk.insert(
        Notification,
        columns,
        ((firm.pk, "told", contact.pk, "contact:1", str(n), text) for n in range(MANY)),
    )
    many = peak(user, tmp_path / "many")
    assert many - few < 2 * MEBIBYTE  # the records are 8
