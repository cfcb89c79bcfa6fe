"""A copy of what is held about somebody, in phases."""

import json
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from django.db import connection, transaction

from apps.contacts.models import Contact
from apps.firms.models import User
from apps.notifications.models import Notification
from apps.privacy.models import DataExport
from benchmarks.phases.measuring import Figures, migrate, run_job, timed
from benchmarks.phases.retention import MESSAGES, NUMBERS
from benchmarks.phases.upkeep import NOW
from benchmarks.world import make_firms

AHEAD = 2_000  # rows a read


def world(size: int) -> Figures:
    """Migrate, and make a customer of a firm who was sent ``size`` messages."""
    migrate()
    (firm,) = make_firms(1)
    user = User.objects.create_user("customer", "customer@example.com")
    contact = Contact.objects.create(firm=firm, user=user, display_name="Customer")
    numbers = NUMBERS.format(count=size)
    text = MESSAGES.format(numbers=numbers, contacts=1, tag="told")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(text, [firm.pk, contact.pk, NOW, NOW])
    return {}


def job() -> Figures:
    """Run the job, and say how much it copied."""
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        user = User.objects.get()
        ran = run_job("export_user_data", user_id=user.pk, output_dir=folder)
    export = DataExport.objects.get()
    return {**ran, "records": export.records, "kilobytes": export.size_bytes / 1000}


def floor() -> Figures:
    """Write the same messages, as the database gives them, into a ZIP."""
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        return {"seconds": timed(partial(_write, Path(folder, "messages.zip")))}


@transaction.atomic
def _write(path: Path) -> None:
    messages = Notification.objects.order_by("pk").values_list()
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("messages.jsonl", "w", force_zip64=True) as lines,
    ):
        for row in messages.iterator(AHEAD):
            lines.write(json.dumps(row, default=str).encode() + b"\n")
