"""snapshot: everything read is of one moment, and nobody waits."""

import threading
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, connections, transaction

from apps.core.snapshot import snapshot
from apps.firms.models import Firm
from tests.factories import FirmFactory

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(act: Callable[[], object]) -> None:
    """Do something on a connection of its own; it must not have to wait."""

    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    other = threading.Thread(target=run)
    other.start()
    other.join(20)  # SQLite would wait 30 seconds
    assert not other.is_alive()


def test_does_not_see_what_others_write_meanwhile() -> None:
    with snapshot():
        assert Firm.objects.count() == 0
        elsewhere(FirmFactory)
        assert Firm.objects.count() == 0
    assert Firm.objects.count() == 1


def test_makes_nobody_wait_when_it_is_what_connects() -> None:
    connection.close()
    with snapshot():
        Firm.objects.count()
        elsewhere(FirmFactory)


def test_leaves_transactions_as_they_were() -> None:
    with snapshot():
        Firm.objects.count()
    with transaction.atomic():
        FirmFactory()
    assert Firm.objects.count() == 1
    assert getattr(connection, "transaction_mode", "IMMEDIATE") == "IMMEDIATE"


def test_is_left_when_an_error_ends_it() -> None:
    with pytest.raises(KeyError), snapshot():
        raise KeyError
    assert not connection.in_atomic_block
    elsewhere(FirmFactory)


def test_is_not_begun_inside_another_transaction() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError), snapshot():
        pass


@pytest.mark.postgres
def test_refuses_to_write() -> None:
    with pytest.raises(DatabaseError, match="read-only"), snapshot():
        FirmFactory()
