"""export_user_data when something goes wrong: there is a whole file, or none."""

import fcntl
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection, connections
from pytest_django import Settings

from apps.audit.models import AuditEvent
from apps.core.personal import People
from apps.core.problems import BadOption
from apps.core.reports import Item
from apps.core.watching import Watcher, watched_by
from apps.firms.models import User
from apps.privacy.models import DataExport, ErasureRequest
from apps.privacy.services import export_user_data
from apps.privacy.services.archive import writable_folder
from tests.factories import (
    ContactFactory,
    ErasureRequestFactory,
    NotificationFactory,
    UserFactory,
)
from tests.privacy.changed_pages import change
from tests.privacy.exporting import Export, in_child

pytestmark = pytest.mark.django_db

NOON = "2025-01-15T12:00:00Z"
LIMIT = 50_000  # bytes that a file may have
NAME = "user_{}_export_20250115T120000Z.zip"
LEFT = ".user_7_export_20250101T000000Z.zip.0badcafe.partial"

Meanwhile = Callable[[], object]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def somebody() -> User:
    """Return somebody whose data do not fit into a file of ``LIMIT`` bytes."""
    user: User = UserFactory()
    contact = ContactFactory(user=user)
    for _ in range(100):
        NotificationFactory(recipient_contact=contact, context={"said": os.urandom(999).hex()})
    return user


@pytest.fixture
def meanwhile(settings: Settings) -> Callable[[Meanwhile], None]:
    """Let something happen in the middle: as the last category is asked for."""

    def arrange(happens: Meanwhile) -> None:
        def of(people: People) -> Any:
            happens()
            return usual(people)

        usual: Any = _of(ErasureRequest)
        change(settings, ErasureRequest, of=of)

    return arrange


def _of(table: type) -> Any:
    from project.personal import HOLDINGS

    return next(page.of for page in HOLDINGS if page.model is table)


class Heard(Watcher):
    """Remembers the lines of items."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def told(self, items: Sequence[Item[Any]]) -> None:
        self.lines += [item.line for item in items]


def fails(user: User, folder: Path) -> str:
    """Export, which must fail, and return what is said of it."""
    heard = Heard()
    with watched_by(heard):
        report = export_user_data(user_id=user.pk, output_dir=str(folder))
    assert (report.done, report.failed, report.summary()) == (0, 1, [])
    [line] = heard.lines
    return line


# ---- no room ----------------------------------------------------------------------------


@contextmanager
def little_room() -> Iterator[None]:
    """Let no file grow beyond ``LIMIT``; nothing else writes to one meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_leaves_no_file_when_the_disk_is_full(tmp_path: Path) -> None:
    user = somebody()
    with little_room():
        said = fails(user, tmp_path)
    assert said == f"User {user.pk}: The export could not be written: File too large."
    assert list(tmp_path.iterdir()) == []
    assert not DataExport.objects.exists()


# ---- killed -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_leaves_no_file_of_that_name_when_it_is_killed(
    meanwhile: Callable[[Meanwhile], None], settings: Settings, tmp_path: Path
) -> None:
    user = somebody()
    meanwhile(lambda: os.kill(os.getpid(), signal.SIGKILL))
    died = in_child(lambda: export_user_data(user_id=user.pk, output_dir=str(tmp_path)))
    assert died == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    assert left.name.startswith(f".{NAME.format(user.pk)}.")
    assert left.stat().st_size > LIMIT
    assert not DataExport.objects.exists()

    settings.PERSONAL = "project.personal"
    assert export_user_data(user_id=user.pk, output_dir=str(tmp_path)).done == 1
    [path] = tmp_path.iterdir()
    assert path.name == NAME.format(user.pk)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_leaves_no_file_when_it_is_interrupted(
    meanwhile: Callable[[Meanwhile], None], tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt() -> None:
        raise error

    user = somebody()
    meanwhile(interrupt)
    with pytest.raises(error):
        export_user_data(user_id=user.pk, output_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_removes_what_the_dead_have_left_and_nothing_else(tmp_path: Path) -> None:
    dead = tmp_path / LEFT
    living = tmp_path / LEFT.replace("0badcafe", "00c0ffee")
    others = [
        tmp_path / "user_7_export_20250101T000000Z.zip",
        tmp_path / LEFT.replace(".partial", ".tmp"),
        tmp_path / "notes.partial",
    ]
    for path in (dead, living, *others):
        path.write_text("something")
    folder = tmp_path / LEFT.replace("0badcafe", "0000d1c7")
    folder.mkdir()
    user = UserFactory()
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        export_user_data(user_id=user.pk, output_dir=str(tmp_path))
    assert set(tmp_path.iterdir()) == {
        living, folder, *others, tmp_path / NAME.format(user.pk)
    }  # fmt: skip


# ---- the name, and the record -----------------------------------------------------------


def test_overwrites_no_file(tmp_path: Path) -> None:
    user = UserFactory()
    path = tmp_path / NAME.format(user.pk)
    path.write_text("mine")
    said = fails(user, tmp_path)
    assert said == f"User {user.pk}: The export could not be written: File exists."
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_takes_back_its_record_when_the_name_is_taken_meanwhile(
    meanwhile: Callable[[Meanwhile], None], tmp_path: Path
) -> None:
    user = UserFactory()
    path = tmp_path / NAME.format(user.pk)
    meanwhile(lambda: path.write_text("mine"))
    said = fails(user, tmp_path)
    assert said == f"User {user.pk}: The export could not be written: File exists."
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
    assert not DataExport.objects.exists()
    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["data_exported", "data_export_failed"]


def test_hands_nothing_out_that_is_not_on_record(tmp_path: Path) -> None:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and "dataexport" in sql:
            raise OperationalError("no")
        return execute(sql, params, many, context)

    user = UserFactory()
    with connection.execute_wrapper(refuse):
        assert fails(user, tmp_path) == f"User {user.pk}: OperationalError"
    assert list(tmp_path.iterdir()) == []


def test_wants_a_folder_that_can_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    if root := os.geteuid() == 0:
        os.seteuid(65_534)  # root may write anywhere
    try:
        with pytest.raises(BadOption) as refused:
            writable_folder("/usr" if root else str(tmp_path))
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o755)
    assert str(refused.value).endswith("' is not writable.")


# ---- others who write -------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_is_of_one_moment_and_makes_nobody_wait(
    meanwhile: Callable[[Meanwhile], None], tmp_path: Path
) -> None:
    user = UserFactory()
    waited: list[bool] = []

    def ask() -> None:
        try:
            ErasureRequestFactory(user=user)
        finally:
            connections.close_all()

    def another_process_writes() -> None:
        writer = threading.Thread(target=ask)
        writer.start()
        writer.join(20)  # SQLite would wait 30 seconds for a lock
        waited.append(writer.is_alive())

    meanwhile(another_process_writes)
    report = export_user_data(user_id=user.pk, output_dir=str(tmp_path))
    assert (report.done, waited) == (1, [False])
    assert ErasureRequest.objects.filter(user=user).exists()
    [path] = tmp_path.iterdir()
    assert Export(path).category("privacy requests")["records"] == 0
