"""Where a test's files go: into a folder of its own, or into each kind of place in turn."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from apps.integrations.storage import Storage, get_storage
from tests.servers.s3 import S3Server, bucket_at


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """A folder that nobody has made yet; files go there."""
    settings.STORAGE = {"vendor": "folder", "folder": str(tmp_path / "kept" / "files")}
    return tmp_path / "kept" / "files"


@pytest.fixture(params=["folder", "s3", "s3 without versions"])
def storage(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[Storage]:
    """Each place in turn, empty."""
    if request.param == "folder":
        settings.STORAGE = {"vendor": "folder", "folder": str(tmp_path / "files")}
    else:
        s3: S3Server = request.getfixturevalue("s3")
        name = s3.make_bucket(versioned=request.param == "s3")
        settings.STORAGE = bucket_at(s3.host, name)
    with closing(get_storage()) as storage:
        yield storage
