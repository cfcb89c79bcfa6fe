"""A bucket ..."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from apps.integrations.storage import StorageRefused, get_storage
from apps.integrations.storage.s3 import S3Storage
from tests.integrations.storage.asking import KEY, PDF, fetch, names, put
from tests.servers.cluster import FileDatabase
from tests.servers.s3 import SECRET, S3Server, bucket_at

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def storage(bucket: str) -> Iterator[S3Storage]:
    with closing(get_storage()) as storage:
        assert isinstance(storage, S3Storage)
        yield storage


# ---- versions -----------------------------------------------------------------------------


def test_loses_every_version_and_delete_marker(
    storage: S3Storage, s3: S3Server, bucket: str
) -> None:
    for key in (KEY, KEY, KEY + ".old"):
        put(storage, key)
    s3.client.delete_object(Bucket=bucket, Key=KEY)
    put(storage)
    s3.client.delete_object(Bucket=bucket, Key=KEY)
    assert len(s3.versions(bucket)) == 6

    storage.remove(KEY)

    assert [key for key, _ in s3.versions(bucket)] == [KEY + ".old"]


def test_puts_no_delete_marker_where_nothing_is(
    storage: S3Storage, s3: S3Server, bucket: str
) -> None:
    storage.remove(KEY)
    assert s3.versions(bucket) == []


def test_gives_back_the_version_that_was_put(storage: S3Storage) -> None:
    first = put(storage)
    put(storage, KEY, b"put over it by somebody")

    assert fetch(storage, version_id=first.version_id) == PDF
    assert fetch(storage) == b"put over it by somebody"


# ---- lists --------------------------------------------------------------------------------


def test_is_listed_page_by_page(storage: S3Storage, s3: S3Server, bucket: str) -> None:
    keys = [f"firms/1/{number:04}" for number in range(2_500)]
    s3.fill(bucket, keys)

    listing = storage.listing("firms/1/")

    assert next(listing).key == keys[0]
    assert len(s3.requests) == 1
    assert [one.key for one in listing] == keys[1:]
    assert len(s3.requests) == 3


def test_tells_what_others_have_put_there(
    storage: S3Storage, s3: S3Server, bucket: str
) -> None:
    upload = s3.client.create_multipart_upload(Bucket=bucket, Key="a b+%\u00e4")["UploadId"]
    part: Any = {"Bucket": bucket, "Key": "a b+%\u00e4", "UploadId": upload}
    tags = [
        s3.client.upload_part(**part, PartNumber=number, Body=b"x" * 5_242_880)["ETag"]
        for number in (1, 2)
    ]
    s3.client.complete_multipart_upload(
        **part,
        MultipartUpload={
            "Parts": [{"ETag": tag, "PartNumber": n} for n, tag in enumerate(tags, 1)]
        },
    )

    [listed] = storage.listing("")
    seen = storage.look(listed.key)

    assert (listed.key, listed.size) == ("a b+%\u00e4", 10_485_760)
    assert listed.etag.endswith("-2")
    assert (seen.etag, seen.sha256) == (listed.etag, "")


# ---- downloads ----------------------------------------------------------------------------


def test_is_downloaded_from_at_an_address_of_its_own(
    storage: S3Storage, bucket: str, s3: S3Server
) -> None:
    stored = put(storage)
    s3.requests.clear()

    where = storage.link(
        KEY,
        version_id=stored.version_id,
        file_name="Ausweis Ä.pdf",
        content_type="application/pdf",
    )

    assert s3.requests == []
    assert where.startswith(f"http://{s3.host}/{bucket}/{KEY}?")
    assert "X-Amz-Expires=120&" in where
    assert SECRET not in where
    with urllib.request.urlopen(where, timeout=5) as answer:
        assert answer.read() == PDF
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename*=utf-8''Ausweis%20%C3%84.pdf"
        )


@pytest.mark.parametrize(
    ("addressing", "begins"),
    [("path", "http://s3.example:9000/files/"), ("virtual", "http://files.s3.example:9000/")],
)
def test_is_addressed_as_its_server_wants(
    settings: Settings, addressing: str, begins: str
) -> None:
    settings.STORAGE = bucket_at("s3.example:9000", "files") | {"addressing": addressing}
    with closing(get_storage()) as storage:
        where = storage.link(KEY, version_id="", file_name="a", content_type="text/plain")
    assert where.startswith(begins + KEY)


# ---- who comes ----------------------------------------------------------------------------

PROGRAM = """
import io
from apps.integrations.storage import Problem, get_storage
try:
    print([one.key for one in get_storage().listing("")])
except Problem as problem:
    print(problem)
"""


def run_with(url: str, database: FileDatabase, **environment: str) -> str:
    """List what a process of its own finds at an address, with only this environment."""
    known = database.environment["DATABASE_URL"]  # one that knows this machine
    basic = {"PATH": os.environ["PATH"], "DATABASE_URL": known}
    basic |= {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", PROGRAM],
        cwd=ROOT,
        env={**basic, "STORAGE_URL": url, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_is_opened_with_the_credentials_of_the_environment(
    storage: S3Storage, s3: S3Server, bucket: str, file_database: FileDatabase
) -> None:
    put(storage)
    url = f"s3://{s3.host}/{bucket}?tls=off"
    theirs = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "their secret"}

    assert run_with(url, file_database, **theirs) == f"['{KEY}']"
    assert run_with(url, file_database) == "There are no credentials for the storage."


def test_that_does_not_exist_is_no_empty_one(s3: S3Server, settings: Settings) -> None:
    settings.STORAGE = bucket_at(s3.host, "nowhere")
    with closing(get_storage()) as storage:
        for verb in (put, names, lambda one: one.look(KEY), lambda one: one.remove(KEY)):
            with pytest.raises(StorageRefused, match=r"^There is no such bucket\.$"):
                verb(storage)
