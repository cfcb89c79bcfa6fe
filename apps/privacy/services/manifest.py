"""What a copy says of itself: what is in it, what is not, and why."""

import json
from typing import Any

from apps.core.personal import holdings
from apps.privacy.services.archive import Archive
from apps.privacy.services.copying import Copy
from apps.privacy.services.records import Encoder

SCHEMA = "nightshift-data-export"
SCHEMA_VERSION = 1
PATH = "manifest.json"

NEVER = "A secret: whoever reads it could act in your name, or look for you elsewhere."
TOLD = "May speak of other people, whose data it is."
EXCLUDED = (
    (
        "names and addresses of others in texts",
        "They are other people's data; it says 'other participant' in their place.",
    ),
    ("documents of others", "They are other people's data, also where you are named."),
    (
        "what staff wrote down for themselves, and the trail of what they did",
        "Internal notes and assessments of risks, which speak of other people.",
    ),
    ("what is kept because of a legal dispute", "Legally privileged."),
    ("technical keys and references", "They say nothing about you."),
)


def write_manifest(archive: Archive, copy: Copy) -> None:
    """Write the manifest; after everything else, since it knows every file's fingerprint."""
    text = json.dumps(_manifest(archive, copy), cls=Encoder, ensure_ascii=False, indent=2)
    with archive.entry(PATH) as entry:
        entry.write(text.encode(errors="backslashreplace"))


def _manifest(archive: Archive, copy: Copy) -> dict[str, Any]:
    folders = [
        {"folder": folder.name, "firm": folder.firm and folder.firm.name}
        for folder in copy.folders.values()
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "generated_at": archive.made_at,
        "subject": {"user": copy.user.pk, "contacts": sorted(copy.people.contacts)},
        "scope": copy.firm.name if copy.firm else "all firms, and the account",
        "folders": sorted(folders, key=lambda one: str(one["folder"])),
        "categories": [
            {
                "category": category.name,
                "basis": category.basis,
                "records": category.records,
                "files": category.files,
            }
            for category in copy.categories
        ],
        "files": copy.files,
        "warnings": copy.warnings,
        "excluded": [{"what": what, "why": why} for what, why in (*EXCLUDED, *_columns())],
    }


def _columns() -> list[tuple[str, str]]:
    """Return the columns of rows about people that nobody gets a copy of."""
    found = []
    for page in holdings():
        if page.of:
            told = [name for name in page.told if name not in page.exports]
            for names, why in ((page.secret, NEVER), (told, TOLD)):
                words = ", ".join(name.replace("_", " ") for name in names)
                if words:
                    found.append((f"{page.model._meta.verbose_name}: {words}", why))
    return found
