"""Put everything that is held about somebody into an archive (spec D7).

A folder for each firm and one for the account; in each a file for every category, and the
files that the person handed in.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize

from django.core.exceptions import SuspiciousFileOperation
from django.db.models import QuerySet
from django.utils.text import get_valid_filename

from apps.core.personal import Attachment, Basis, Holding, People, holdings
from apps.core.snapshot import snapshot
from apps.firms.models import Firm, User
from apps.privacy.services.archive import Archive
from apps.privacy.services.others import Others
from apps.privacy.services.people import people_of
from apps.privacy.services.records import Encoder, read_records

logger = logging.getLogger(__name__)

ACCOUNT = "account"  # the folder of what belongs to no firm
PIECE = 2**20  # bytes of a file that are read at once
LONGEST = 50  # letters of a file's name that are kept: every system takes 50 × 4 bytes

Facts = dict[str, Any]
Parts = list[tuple[Holding, QuerySet[Any]]]  # the tables of a category, and their rows


@dataclass(frozen=True, slots=True)
class Folder:
    """What one firm holds, or nobody but the platform."""

    name: str
    firm: Firm | None
    others: Others


@dataclass(slots=True)
class Category:
    """One category of a copy, and the files that it is in: one for each folder."""

    name: str
    basis: Basis
    files: list[Facts] = field(default_factory=list)

    @property
    def records(self) -> int:
        return sum(file["records"] for file in self.files)


@dataclass
class Copy:
    """What is copied, for the manifest and for the record of it."""

    user: User
    firm: Firm | None  # nothing but what this one holds
    people: People = field(default_factory=People)
    folders: dict[int | None, Folder] = field(default_factory=dict)
    categories: list[Category] = field(default_factory=list)
    handed_in: list[tuple[Folder, str, Attachment]] = field(default_factory=list)
    files: list[Facts] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def filled(self) -> list[Category]:
        return [category for category in self.categories if category.records]

    @property
    def records(self) -> int:
        return sum(category.records for category in self.categories)

    def folder(self, firm_id: int | None) -> Folder:
        """Return the folder of a firm; the first time it is asked for, make it."""
        if firm_id not in self.folders:
            firm = Firm.objects.get(pk=firm_id) if firm_id else None
            name = firm.slug if firm else ACCOUNT
            self.folders[firm_id] = Folder(name, firm, Others(firm_id, self.people))
        return self.folders[firm_id]


def copy_data(
    archive: Archive, *, user: User, firm: Firm | None, says: Callable[[str], None]
) -> Copy:
    """Copy what all firms and the platform hold about somebody, or what one firm does.

    All records are of one moment, and never in memory at once. A file that cannot be read is
    a warning in the manifest.
    """
    copy = Copy(user, firm)
    with snapshot():
        copy.people = people_of(user, firm=firm)
        for name, pages in categories().items():
            category = Category(name, pages[0].basis)
            copy.categories.append(category)
            for firm_id, parts in _by_firm(pages, copy).items():
                _copy_category(archive, copy, category, copy.folder(firm_id), parts)
            if category.records:
                says(f"  ✓ {name}: {counted(category.records, 'record', 'records')}")
    for folder, name, attachment in copy.handed_in:
        _copy_file(archive, copy, folder, name, attachment)
    return copy


def categories() -> dict[str, list[Holding]]:
    """Return the pages of which people get a copy, by category.

    The account first, and what hangs on a row after it: the other way round than they are
    gathered.
    """
    found: dict[str, list[Holding]] = defaultdict(list)
    for page in reversed(holdings()):
        if page.exports or page.attachments:
            found[page.category].append(page)
    return found


def counted(number: int, one: str, many: str) -> str:
    """Write how many there are of something: ``1 record``."""
    return f"{number} {one if number == 1 else many}"


# ---- records ----------------------------------------------------------------------------


def _by_firm(pages: Sequence[Holding], copy: Copy) -> dict[int | None, Parts]:
    """Return whose rows there are: tables and rows by firm; the platform's first, without one.

    Firms in the order of their keys, since a database lists distinct values in any.
    """
    found: dict[int | None, Parts] = defaultdict(list)
    for page in pages:
        assert page.of is not None  # whatever is exported is found by it
        rows = page.model._base_manager.filter(page.of(copy.people))
        if not page.firm:
            if copy.firm is None and rows.exists():
                found[None].append((page, rows))
            continue
        if copy.firm:
            rows = rows.filter(**{page.firm: copy.firm})
        for firm_id in rows.order_by().values_list(page.firm, flat=True).distinct():
            found[firm_id].append((page, rows.filter(**{page.firm: firm_id})))
    return dict(sorted(found.items(), key=lambda item: item[0] or 0))


def _copy_category(
    archive: Archive, copy: Copy, category: Category, folder: Folder, parts: Parts
) -> None:
    records = 0
    path = f"{folder.name}/{category.name.replace(' ', '-')}.json"
    with archive.entry(path) as entry:
        for record in _records(parts, folder.others):
            line = json.dumps(record, cls=Encoder, ensure_ascii=False)
            # Half of a surrogate pair, which JSON lets in, goes out as the escape it was.
            entry.write((",\n" if records else "[\n").encode())
            entry.write(line.encode(errors="backslashreplace"))
            records += 1
        entry.write(b"\n]\n" if records else b"[]\n")
    category.files.append({**entry.facts, "records": records})
    for page, rows in parts:
        if page.attachments:
            copy.handed_in += [
                (folder, category.name, attachment) for attachment in page.attachments(rows)
            ]


def _records(parts: Parts, others: Others) -> Iterator[dict[str, Any]]:
    for page, rows in parts:
        if page.exports:
            yield from read_records(page, rows, others)


# ---- files ------------------------------------------------------------------------------


def _copy_file(
    archive: Archive, copy: Copy, folder: Folder, category: str, attachment: Attachment
) -> None:
    """Copy a file that the person handed in, now that nothing is open that others wait for."""
    about: Facts = {"name": attachment.name, "category": category}

    def warn(error: Exception, what: str) -> None:
        logger.warning("A file of %s %s: %s", folder.name, what, type(error).__name__)
        copy.warnings.append(f"{folder.name}, {category}: '{attachment.name}' {what}.")

    try:
        source = attachment.open()
    except Exception as error:  # whatever the storage may say of it
        warn(error, "is missing")
        return
    number = len(copy.files) + 1
    path = f"{folder.name}/files/{number:04d}_{safe_name(attachment.name)}"
    with source, archive.entry(path) as entry:
        while True:
            try:
                piece = source.read(PIECE)
            except Exception as error:
                warn(error, "could only be read in part")
                break
            if not piece:
                break
            entry.write(piece)
    copy.files.append({**entry.facts, **about})


def safe_name(name: str) -> str:
    """Return a name for a file that no system stumbles over, however hostile it was."""
    last = normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    try:
        return get_valid_filename(last)[-LONGEST:]
    except SuspiciousFileOperation:
        return "file"
