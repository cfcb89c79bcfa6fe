"""Make an export as an operator would, and read what is in the file."""

import hashlib
import io
import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from django.core.management import call_command
from django.db import connections

from apps.core.personal import Holding
from apps.firms.models import User

PATIENCE = 60  # seconds for a child


class Export:
    """A file that was exported, as whoever gets it reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with ZipFile(path) as archive:
            assert archive.testzip() is None
            self.files = {name: archive.read(name) for name in archive.namelist()}

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["manifest.json"])
        return found

    @property
    def text(self) -> str:
        """Everything in it, the names of files included."""
        return "\n".join([*self.files, *(one.decode() for one in self.files.values())])

    def records(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.files[path])
        return found

    def category(self, name: str) -> dict[str, Any]:
        """What the manifest says of a category."""
        [found] = [one for one in self.manifest["categories"] if one["category"] == name]
        return dict(found)

    def listed(self) -> Iterator[dict[str, Any]]:
        """Every file that the manifest speaks of."""
        for category in self.manifest["categories"]:
            yield from category["files"]
        yield from self.manifest["files"]

    def as_listed(self) -> dict[str, tuple[str, int]]:
        return {one["path"]: (one["sha256"], one["size"]) for one in self.listed()}

    def as_found(self) -> dict[str, tuple[str, int]]:
        return {
            path: (hashlib.sha256(data).hexdigest(), len(data))
            for path, data in self.files.items()
            if path != "manifest.json"
        }


def export(user: User, folder: Path, **options: Any) -> str:
    """Run the command and return what it said."""
    out = io.StringIO()
    call_command(
        "export_user_data", user_id=user.pk, output_dir=str(folder), stdout=out, **options
    )
    return out.getvalue()


def exported(user: User, folder: Path, **options: Any) -> Export:
    """Run the command and read the one file that it leaves."""
    export(user, folder, **options)
    [path] = folder.iterdir()
    return Export(path)


def page_of(pages: tuple[Holding, ...], model: type) -> Holding:
    return next(page for page in pages if page.model is model)


def in_child(act: Callable[[], object]) -> int:
    """Do something in a process of its own and return how it ended; -9 when it was killed."""
    connections.close_all()  # neither process may use what the other has open
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join(PATIENCE)
    assert child.exitcode is not None
    return child.exitcode
