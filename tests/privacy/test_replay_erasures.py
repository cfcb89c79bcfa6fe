"""replay_erasures: a database that was restored is told who has been erased since."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.contacts.models import Contact, Tombstone
from apps.contacts.services import find_tombstones
from apps.firms.models import Firm, User
from apps.notifications.models import Suppression
from apps.privacy.models import ErasureRequest
from tests.factories import MembershipFactory
from tests.privacy.erasing import (
    EMAIL,
    NAME,
    NOW,
    PHONE,
    a_firm,
    account_of_bob,
    bob_of,
    execute,
    furnish,
    request_of,
)
from tests.test_every_job import changed, every_row

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture(autouse=True)
def journal(folder: Path) -> Path:
    return folder / "erasures"


@pytest.fixture
def firm() -> Firm:
    return a_firm()


def replay(**options: Any) -> str:
    out = io.StringIO()
    try:
        call_command("replay_erasures", stdout=out, **options)
    except CommandError as error:
        out.write(f"CommandError: {error}\n")
    return out.getvalue()


class Backup:
    """What the database holds now, to be restored later."""

    def __init__(self) -> None:
        self.sid = transaction.savepoint()

    def restore(self) -> None:
        transaction.savepoint_rollback(self.sid)


def test_the_journal_names_nobody(firm: Firm, journal: Path) -> None:
    bob = bob_of(firm)
    request = request_of(bob)
    execute(request)
    (entry,) = journal.iterdir()
    assert entry.name == f"{request.key}.json"
    text = entry.read_text()
    for word in (EMAIL, PHONE, *NAME.split(), "bobmail"):
        assert word not in text
    told = json.loads(text)
    assert (told["firm"], told["contact"], told["contacts"]) == (firm.pk, bob.pk, [bob.pk])
    assert all(len(digest) == 64 for digest in told["digests"])


def test_an_erasure_that_the_backup_does_not_know_is_repeated(firm: Firm) -> None:
    bob, neighbour = bob_of(firm), bob_of(a_firm("Birch"))
    furnish(bob)
    backup = Backup()
    request = request_of(bob)
    execute(request)
    backup.restore()
    bob.refresh_from_db()
    assert (bob.email, ErasureRequest.objects.count()) == (EMAIL, 0)

    said = replay()
    assert f"  ✓ Repeating erasure {request.key}\n" in said
    assert "  Erasure completed: 2 erased, 2 anonymised, 6 retained.\n" in said
    assert said.endswith("Repeated 1 erasures of the journal.\n")
    bob.refresh_from_db()
    neighbour.refresh_from_db()
    assert (bob.email, neighbour.email) == ("", EMAIL)
    again = ErasureRequest.objects.get()
    assert (again.key, again.status, again.contact) == (request.key, "completed", bob)
    assert again.due_on == request.due_on
    assert AuditEvent.objects.filter(action="erasure_replayed").count() == 1


def test_again_does_nothing(firm: Firm) -> None:
    backup = Backup()
    execute(request_of(bob_of(firm)))
    assert replay() == "Repeated 0 erasures of the journal.\n"
    backup.restore()
    bob_of(firm)
    replay()
    before = every_row()
    assert replay() == "Repeated 0 erasures of the journal.\n"
    assert changed(before, every_row()) == []


def test_a_request_that_was_only_approved_in_the_backup_is_carried_out(firm: Firm) -> None:
    request = request_of(bob_of(firm))
    backup = Backup()
    execute(request)
    backup.restore()
    ErasureRequest.objects.update(status="received")
    assert "Erasure completed" in replay()
    assert ErasureRequest.objects.get().status == "completed"


def test_a_dry_run_says_so_and_leaves_no_trace(firm: Firm) -> None:
    bob = bob_of(firm)
    backup = Backup()
    request = request_of(bob)
    execute(request)
    backup.restore()
    before = every_row()
    assert replay(dry_run=True) == (
        f"  ✓ Would repeat erasure {request.key}\nWould repeat 1 erasures of the journal.\n"
    )
    assert changed(before, every_row()) == []


def test_somebody_else_who_was_given_the_same_id_is_left_alone(firm: Firm) -> None:
    backup = Backup()
    bob = bob_of(firm)
    execute(request_of(bob))
    backup.restore()
    stranger = bob_of(firm, pk=bob.pk, email="eve@example.com", phone="", display_name="Eve E")
    replay()
    stranger.refresh_from_db()
    assert stranger.email == "eve@example.com"


def test_who_is_not_in_the_backup_is_still_kept_out(firm: Firm) -> None:
    backup = Backup()
    execute(request_of(bob_of(firm)))
    backup.restore()
    assert Tombstone.objects.count() == Suppression.objects.count() == 0
    assert "Repeated 1 erasures" in replay()
    kind = Tombstone.Kind.EMAIL
    assert find_tombstones(firm_id=firm.pk, kind=kind, values=[EMAIL]) == {EMAIL}
    assert Suppression.objects.filter(reason="erased").count() == 2
    assert "Repeated 0 erasures" in replay()


def test_an_account_and_its_contacts_everywhere(firm: Firm) -> None:
    user, other = account_of_bob(), a_firm("Birch")
    MembershipFactory(firm=firm, user=user)
    contacts = [bob_of(one, user=user) for one in (firm, other)]
    backup = Backup()
    execute(request_of(user=user))
    backup.restore()
    replay()
    assert User.objects.get(pk=user.pk).erased_at is not None
    assert not Contact.objects.present().filter(pk__in=[one.pk for one in contacts]).exists()


def test_contacts_whose_account_the_backup_does_not_have(firm: Firm) -> None:
    contacts = [bob_of(one) for one in (firm, a_firm("Birch"))]
    backup = Backup()
    user = account_of_bob()
    Contact.objects.filter(pk__in=[one.pk for one in contacts]).update(user=user)
    execute(request_of(user=user))
    backup.restore()
    assert replay().endswith("Repeated 1 erasures of the journal.\n")
    assert not Contact.objects.present().filter(email=EMAIL).exists()
    assert ErasureRequest.objects.filter(status="completed").count() == 2
    assert replay() == "Repeated 0 erasures of the journal.\n"


def test_what_has_to_be_settled_blocks_it_as_ever(firm: Firm) -> None:
    bob = bob_of(firm)
    invoice = furnish(bob)
    backup = Backup()
    execute(request_of(bob))
    backup.restore()
    type(invoice).objects.update(status="sent", paid_minor=0)
    assert "Blocked: " in replay()
    assert ErasureRequest.objects.get().status == "blocked"


def test_the_journal_is_found_after_the_key_has_changed(firm: Firm, settings: Settings) -> None:
    bob = bob_of(firm)
    backup = Backup()
    execute(request_of(bob))
    backup.restore()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" * 5
    assert "Erasure completed" in replay()


def test_a_journal_that_cannot_be_read_is_told(firm: Firm, journal: Path) -> None:
    bob = bob_of(firm)
    backup = Backup()
    execute(request_of(bob))
    backup.restore()
    (journal / "nonsense.json").write_text("{}")
    said = replay()
    assert "✗ Erasure nonsense: This is no entry of the journal." in said
    assert "Repeated 1 erasures" in said


def test_a_storage_that_is_down_is_told(settings: Settings, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("where a folder has to be")
    settings.STORAGE = {"vendor": "folder", "folder": str(blocked)}
    said = replay()
    assert "✗ The journal: " in said
    assert "CommandError: 1 item(s) failed" in said
