"""Export what is held about somebody into one file (spec D7)."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from django.db import transaction

from apps.audit.services import record
from apps.core.days import Clock
from apps.core.problems import BadOption, Problem
from apps.core.reports import Item, Report, Subject
from apps.firms.models import Firm, User
from apps.firms.services import find_firm
from apps.privacy.models import DataExport
from apps.privacy.models.law import Law
from apps.privacy.services.archive import Archive, private_folder, writable_folder
from apps.privacy.services.copying import copy_data, counted
from apps.privacy.services.manifest import write_manifest


@dataclass(frozen=True, slots=True)
class Wish:
    """A copy that somebody wants: of whose data, from which firm, and since when."""

    user: User
    firm: Firm | None  # nothing: what all firms and the platform hold
    law: Law
    received_on: date
    extended: bool
    made_by: User | None


def export_user_data(
    *,
    user_id: int | None = None,
    output_dir: str = ".",
    firm_id: int | None = None,
    dry_run: bool = False,
) -> Report:
    """Export what is held about a user into one ZIP file.

    Of all firms and the account, or of one firm; all of one moment, streamed. Contacts count
    as the user's by their link to the account, or by a verified address within the same firm.
    The file is readable for its owner only and gets its name (which holds the instant, in
    UTC) when it is whole and the record of it is committed; it never overwrites another. Each
    run makes another copy: asked again, people are entitled to one. A dry run writes the
    whole file, too, and lets it go without a name. Suspended and closed firms' data too. Sends
    nothing; the deadline on the record is that of the GDPR, counted from today.
    """
    clock = Clock.read()
    user = find_user(user_id)
    firm = None if firm_id is None else find_firm(firm_id)
    folder = writable_folder(output_dir)
    today = firm.today(clock) if firm else clock.now.date()
    wish = Wish(user, firm, Law.GDPR, received_on=today, extended=False, made_by=None)
    subject = Subject("firms.user", str(user.pk), f"User {user.pk}", firm_id=firm_id)
    made: list[DataExport] = []
    report = Report(
        dry_run=dry_run,
        heading=f"Exporting data for user {user.pk}...",
        summary=lambda report: [_summary(report, export) for export in made],
    )

    def write_down(items: Sequence[Item[DataExport]]) -> None:
        for item in items:
            _write_down(item.thing)
            item.does("export the data")

    try:
        with _copied(wish, folder, clock.now, report.says) as (export, archive):
            report.attempt_each(
                [export],
                write_down,
                subject=lambda _: subject,
                then=lambda _: _publish(export, archive),
            )
            if report.done:
                made.append(export)
    except Problem as problem:
        report.fail(subject, problem)
    return report


def make_export(*, wish: Wish, now: datetime) -> DataExport:
    """Make a copy for somebody who asks on a page, and keep it until it is downloaded.

    Raises ``Problem`` when it cannot be written; then nothing is left of it.
    """
    with _copied(wish, private_folder(), now, lambda _: None) as (export, archive):
        with transaction.atomic(durable=True):
            _write_down(export)
        _publish(export, archive)
    return export


def find_user(user_id: int | None) -> User:
    """Return somebody by their id, if there is anything left of them (spec A9)."""
    if user_id is None:
        raise BadOption("Say whose data: --user-id is required.")
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise BadOption(f"User with ID {user_id} does not exist.")
    if user.erased_at:
        raise BadOption(f"User {user_id} has been erased.")
    return user


# ---- inside -----------------------------------------------------------------------------


@contextmanager
def _copied(
    wish: Wish, folder: Path, now: datetime, says: Callable[[str], None]
) -> Iterator[tuple[DataExport, Archive]]:
    """Copy the data into a file that has no name yet; yield it with the record to be made."""
    path = folder / f"user_{wish.user.pk}_export_{now:%Y%m%dT%H%M%SZ}.zip"
    with ExitStack() as stack:
        with _in_a_sentence():
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            archive = stack.enter_context(Archive(path, made_at=now))
            copy = copy_data(archive, user=wish.user, firm=wish.firm, says=says)
            write_manifest(archive, copy)
            archive.close()
        export = DataExport(
            firm=wish.firm,
            user=wish.user,
            law=wish.law,
            received_on=wish.received_on,
            extended=wish.extended,
            due_on=wish.law.due_on(wish.received_on, extended=wish.extended),
            made_by=wish.made_by,
            made_at=now,
            path=str(path),
            size_bytes=archive.size,
            sha256=archive.sha256,
            categories=len(copy.filled),
            records=copy.records,
        )
        yield export, archive


def _write_down(export: DataExport) -> None:
    export.save(force_insert=True)
    facts = {"user": export.user_id, "records": export.records, "sha256": export.sha256}
    record("data_exported", export, actor=export.made_by, changes=facts)


def _publish(export: DataExport, archive: Archive) -> None:
    """Let the file appear; if that fails, nobody has got anything and the record says so."""
    try:
        with _in_a_sentence():
            archive.publish()
    except Problem:
        with transaction.atomic():
            record("data_export_failed", export, actor=export.made_by)
            export.delete()
        raise


@contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Say what the operating system says of a file, and not as a traceback."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Problem(f"The export could not be written: {why}.") from error


def _summary(report: Report, export: DataExport) -> str:
    categories = counted(export.categories, "category", "categories")
    records = counted(export.records, "record", "records")
    written = report.worded("Export written to", would="Export would be written to")
    return f"{written} {export.path} ({categories}, {records})."
