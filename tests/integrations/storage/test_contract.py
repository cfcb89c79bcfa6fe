"""Whoever keeps the files ..."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from apps.integrations.storage import Missing, Storage, StorageRefused
from tests.integrations.storage.asking import KEY, PDF, fetch, names, put


def test_gives_back_what_was_put(storage: Storage) -> None:
    stored = put(storage)

    assert (stored.key, stored.size) == (KEY, len(PDF))
    assert stored.sha256 == hashlib.sha256(PDF).hexdigest()
    assert fetch(storage, version_id=stored.version_id) == PDF


def test_gives_back_much_in_parts(storage: Storage) -> None:
    content = bytes(range(256)) * 12_000  # three megabytes

    put(storage, KEY, content)

    parts = list(storage.read(KEY))
    assert b"".join(parts) == content
    assert len(parts) == 3


def test_keeps_an_empty_file(storage: Storage) -> None:
    assert put(storage, KEY, b"").size == 0
    assert fetch(storage) == b""


def test_says_of_one_object_what_it_is(storage: Storage) -> None:
    stored = put(storage)

    seen = storage.look(KEY)

    assert (seen.key, seen.size, seen.etag) == (KEY, len(PDF), stored.etag)
    assert (seen.version_id, seen.sha256) == (stored.version_id, stored.sha256)
    assert seen.stored_at
    assert abs(seen.stored_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("key", ["firms/1/none", "firms/1", "firms", KEY + "/more"])
def test_says_that_there_is_no_such_object(storage: Storage, key: str) -> None:
    put(storage)

    for verb in (storage.look, lambda key: list(storage.read(key))):
        with pytest.raises(Missing, match=r"^The file is not in the storage\.$"):
            verb(key)


def test_takes_the_same_key_again(storage: Storage) -> None:
    put(storage)

    stored = put(storage, KEY, b"another")

    assert fetch(storage) == b"another"
    assert storage.look(KEY).version_id == stored.version_id
    assert names(storage) == [KEY]


def test_removes_an_object_and_nothing_beside_it(storage: Storage) -> None:
    for key in (KEY, KEY + ".old", "firms/1/0b1e/other", "firms/2/0b1e/file.pdf"):
        put(storage, key)

    storage.remove(KEY)
    storage.remove(KEY)

    assert names(storage) == [
        *("firms/1/0b1e/file.pdf.old", "firms/1/0b1e/other", "firms/2/0b1e/file.pdf"),
    ]
    with pytest.raises(Missing):
        storage.look(KEY)


def test_lists_nothing_where_nothing_is(storage: Storage) -> None:
    assert names(storage) == []
    assert names(storage, "firms/1/") == []


def test_lists_in_the_order_of_bytes(storage: Storage) -> None:
    keys = [
        "a",
        "B",
        "ä",
        "a-b",
        "a.b",
        "a0/x",
        "c/d",
        "c-d",
        "c.d",
        "c0",
        "c/a/b",
        "z/😀",
        "z/é",
    ]
    for key in keys:
        put(storage, key)

    listed = names(storage)

    assert listed == sorted(keys, key=str.encode)
    assert listed[:3] == ["B", "a", "a-b"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["firms/1/a", "firms/1/b/c", "firms/10/a", "other"]),
        ("firms/", ["firms/1/a", "firms/1/b/c", "firms/10/a"]),
        ("firms/1/", ["firms/1/a", "firms/1/b/c"]),
        ("firms/1", ["firms/1/a", "firms/1/b/c", "firms/10/a"]),
        ("firms/1/b/c", ["firms/1/b/c"]),
        ("firms/1/b/cd", []),
        ("../", []),
        ("/", []),
    ],
)
def test_lists_what_begins_alike(storage: Storage, prefix: str, found: list[str]) -> None:
    for key in ("firms/1/a", "firms/1/b/c", "firms/10/a", "other"):
        put(storage, key)

    assert names(storage, prefix) == found


def test_lists_sizes_and_times(storage: Storage) -> None:
    stored = put(storage)

    [listed] = storage.listing("firms/1/")

    assert (listed.size, listed.etag) == (len(PDF), stored.etag)
    assert listed.stored_at
    assert abs(listed.stored_at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/etc/passwd", "../outside", "firms/../../outside", "firms/./1", "firms//1"),
        *("firms/1/", "firms\\1", "firms/1\n", "firms/\x00", ".incoming/x", "firms/.hidden"),
        *("a" * 256, "/".join(["ä" * 100] * 6), "firms/\ud800"),
    ],
)
def test_takes_no_key_that_may_mean_another_place(storage: Storage, key: str) -> None:
    with pytest.raises(StorageRefused, match="no key under which"):
        put(storage, key)

    assert names(storage) == []


def test_shows_no_secret_when_printed(storage: Storage) -> None:
    assert repr(storage) in {"<S3>", "<local folder>"}
