"""Files that wait to be downloaded: handed out once, and removed."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.problems import Problem
from apps.firms.models import User
from apps.privacy.models import DataExport
from apps.privacy.services.archive import private_folder


def take_file(*, export: DataExport, actor: User, now: datetime) -> BinaryIO:
    """Hand out the file of an export, opened; from then on it is on the disk no more.

    Raises ``Problem`` when somebody was there before, and for a file that a command wrote
    elsewhere.
    """
    path = Path(export.path)
    if not path.resolve().is_relative_to(private_folder()):
        raise Problem("This file was written elsewhere; it cannot be downloaded.")
    try:
        file = path.open("rb")
    except OSError:
        raise Problem("This file is there no more.") from None
    try:
        with transaction.atomic():
            waiting = DataExport.objects.filter(pk=export.pk, removed_at=None)
            if not waiting.update(removed_at=now, updated_at=now):
                raise Problem("This file was downloaded before.")
            record("data_export_downloaded", export, actor=actor)
    except BaseException:
        file.close()
        raise
    path.unlink(missing_ok=True)
    return file


def remove_file(key: str) -> None:
    """Remove the file of an export, wherever it was written, and note that it is gone.

    One that is not there (handed on, moved, on another machine's disk) cannot be removed;
    the export says since when nobody here has it.
    """
    for export in DataExport.objects.filter(pk=key, removed_at=None):
        Path(export.path).unlink(missing_ok=True)
        still = DataExport.objects.filter(pk=export.pk, removed_at=None)
        still.update(removed_at=timezone.now(), updated_at=timezone.now())
