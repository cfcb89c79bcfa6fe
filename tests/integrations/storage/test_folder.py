"""A local folder ..."""

import os
import resource
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from apps.integrations.storage import Storage, StorageDown, StorageRefused, get_storage
from tests.integrations.storage.asking import KEY, PDF, fetch, names, put
from tests.servers.s3 import bucket_at, nobody


@pytest.fixture
def storage(folder: Path) -> Storage:
    return get_storage()


@pytest.fixture
def small_files_only() -> Iterator[None]:
    """No file may grow beyond a kilobyte: as good as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def left_over(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- how files are kept -------------------------------------------------------------------


def test_keeps_files_for_its_owner_alone(storage: Storage, folder: Path) -> None:
    put(storage)

    assert mode(folder / KEY) == 0o600
    assert mode(folder) == mode(folder / ".incoming") == 0o700
    assert left_over(folder) == [KEY]


def test_keeps_nothing_of_a_file_that_arrived_damaged(storage: Storage, folder: Path) -> None:
    put(storage)

    with pytest.raises(StorageDown, match="did not arrive as it was sent"):
        put(storage, KEY, b"another", sha256="0" * 64)

    assert fetch(storage) == PDF
    assert left_over(folder) == [KEY]


@pytest.mark.usefixtures("small_files_only")
def test_keeps_nothing_of_a_file_that_finds_no_room(storage: Storage, folder: Path) -> None:
    put(storage)

    with pytest.raises(StorageDown, match=r"^The folder could not store the file \(EFBIG\)\.$"):
        put(storage, KEY, b"x" * 2_000)

    assert fetch(storage) == PDF
    assert left_over(folder) == [KEY]


def test_sweeps_up_what_a_dead_process_was_writing(storage: Storage, folder: Path) -> None:
    put(get_storage())
    old, fresh = folder / ".incoming" / "old", folder / ".incoming" / "fresh"
    for stray in (old, fresh):
        stray.write_bytes(PDF)
    os.utime(old, (time.time() - 90_000,) * 2)

    put(storage, "another")

    assert sorted(left_over(folder)) == [".incoming/fresh", "another", KEY]
    assert names(storage) == ["another", KEY]


def test_leaves_no_empty_folder_behind(storage: Storage, folder: Path) -> None:
    put(storage)
    put(storage, "single")

    storage.remove(KEY)
    storage.remove("single")

    assert not (folder / KEY).parent.exists()
    assert folder.exists()


# ---- what leads elsewhere -----------------------------------------------------------------


@pytest.mark.parametrize("key", ["../secret", "firms/../../secret", "/etc/passwd", "a\\b"])
def test_touches_nothing_outside(storage: Storage, folder: Path, key: str) -> None:
    secret = folder.parent / "secret"
    secret.parent.mkdir()
    secret.write_text("secret")

    for verb in (storage.look, storage.remove, lambda key: list(storage.read(key))):
        with pytest.raises(StorageRefused):
            verb(key)

    assert secret.read_text() == "secret"


def test_follows_no_link(storage: Storage, folder: Path) -> None:
    put(storage)
    secret = folder.parent / "secret"
    secret.write_text("secret")
    (folder / "file").symlink_to(secret)
    (folder / "away").symlink_to(folder.parent)

    for key in ("file", "away/secret"):
        with pytest.raises(StorageRefused):
            list(storage.read(key))
    with pytest.raises(StorageRefused, match="leads out of the folder"):
        put(storage, "away/planted")

    assert names(storage) == [KEY]


@pytest.mark.parametrize("key", [KEY + "/more", "firms"])
def test_puts_no_file_where_a_folder_is_and_none_below_a_file(
    storage: Storage, key: str
) -> None:
    put(storage)

    with pytest.raises(StorageRefused, match="does not let us store the file"):
        put(storage, key)

    assert fetch(storage) == PDF


def test_lists_what_somebody_else_has_left_there(storage: Storage, folder: Path) -> None:
    put(storage)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"x")

    assert names(storage) == [KEY, "\ufffd"]


def test_waits_for_no_pipe(storage: Storage, folder: Path) -> None:
    put(storage)
    os.mkfifo(folder / "pipe")

    assert names(storage) == [KEY]
    assert fetch(storage, "pipe") == b""


def test_takes_a_disk_that_is_not_mounted_for_no_empty_one(
    storage: Storage, folder: Path
) -> None:
    folder.mkdir(parents=True)

    with pytest.raises(StorageRefused, match="Nothing was ever stored in this folder"):
        storage.remove(KEY)


# ---- downloads ----------------------------------------------------------------------------


def link(storage: Storage, file_name: str = "W-9.pdf") -> str:
    return storage.link(KEY, version_id="", file_name=file_name, content_type="application/pdf")


def body(answer: object) -> bytes:
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_hands_a_file_to_whoever_has_its_address(storage: Storage, client: Client) -> None:
    put(storage)

    answer = client.get(link(storage))

    assert body(answer) == PDF
    assert answer["Content-Disposition"] == 'attachment; filename="W-9.pdf"'
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Length"] == str(len(PDF))
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert not answer.cookies


@pytest.mark.parametrize(
    "name", ['a".pdf', "a\r\nSet-Cookie: x=y.pdf", "Ausweis Ä.pdf", "a;b.pdf", "\u202efdp.exe"]
)
def test_lets_no_name_break_the_header(storage: Storage, client: Client, name: str) -> None:
    put(storage)

    answer = client.get(link(storage, name))

    disposition = answer["Content-Disposition"]
    assert body(answer) == PDF
    assert disposition.startswith("attachment; filename")
    assert name in {
        unquote(disposition.partition("''")[2]),
        disposition[22:-1].replace("\\", ""),
    }
    assert not answer.cookies


def test_forgets_an_address_after_two_minutes(storage: Storage, client: Client) -> None:
    put(storage)
    with time_machine.travel("2025-06-10T12:00:00Z", tick=False) as clock:
        where = link(storage)
        clock.shift(120)
        assert body(client.get(where)) == PDF
        clock.shift(1)

        answer = client.get(where)

    assert answer.status_code == 410
    assert answer.content == b"This address has expired. Go back and open the file again."


def test_knows_no_address_that_it_has_not_made(storage: Storage, client: Client) -> None:
    put(storage)
    where = link(storage)
    for wrong in ("/files/x/", where[:-5] + "AAAA/", where.replace("/files/", "/files/x")):
        assert client.get(wrong).status_code == 404


def test_says_that_a_file_has_gone(storage: Storage, client: Client) -> None:
    put(storage)
    where = link(storage)
    storage.remove(KEY)

    assert client.get(where).status_code == 404


def test_hands_out_nothing_once_files_are_kept_elsewhere(
    storage: Storage, client: Client, settings: Settings
) -> None:
    put(storage)
    where = link(storage)
    settings.STORAGE = bucket_at(nobody(), "files")

    assert client.get(where).status_code == 404


def test_takes_no_post(storage: Storage, client: Client) -> None:
    put(storage)
    assert client.post(link(storage)).status_code == 405
