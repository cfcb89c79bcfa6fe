"""Acme's files, three of which do not agree with the storage, and what it asks for (spec E3.1).

The files go to the storage after the commit, as old as their documents say. A bucket dates
them itself: there, what only the storage has is not reported within the first hour.
"""

import hashlib
import io
import logging
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from apps.contacts.models import Contact
from apps.core import days
from apps.core.days import Clock
from apps.core.demo import World
from apps.core.later import after_commit
from apps.core.problems import Problem
from apps.documents.models import Document, FileRequest
from apps.documents.services import request_files
from apps.documents.services.filing import prefix_of
from apps.documents.services.requests.steps import Cadence
from apps.firms.models import Firm, User
from apps.integrations.storage import bucket_in_use, get_storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Object:
    """What is going to be in the storage."""

    key: str
    content: bytes
    stored_at: datetime


def seed(world: World) -> None:
    """Make requests with the reminders that were sent, and documents with their files."""
    facts = world.fixture("documents")
    firm = Firm.objects.select_related("settings").get(slug=facts["firm"])
    asker = User.objects.get(username=facts["asked_by"])
    for entry in facts["requests"]:
        _ask(world, firm, asker, entry)
    objects = [_file(world, firm, entry) for entry in facts["files"]]
    left_over = _object(
        firm, facts["orphan"], _moment(world, firm, facts["orphan"]["days_ago"])
    )
    stored = [one for one in (*objects, left_over) if one]
    after_commit(lambda: _store(stored))
    world.count("file requests", len(facts["requests"]))
    world.count("stored files", len(objects))


def clear() -> None:
    """Remove what is stored for demo firms, once they are gone."""
    firms = list(Firm.objects.filter(is_demo=True))
    after_commit(lambda: _remove(firms))


def _ask(world: World, firm: Firm, asker: User, entry: dict[str, Any]) -> None:
    contact, _ = Contact.objects.get_or_create(
        firm=firm, kind=Contact.Kind.ORGANISATION, **entry["contact"]
    )
    today = firm.today(world.clock)
    asked_at = _moment(world, firm, entry["asked_days_ago"])
    due = entry.get("due_in_days")
    request = request_files(
        contact=contact,
        title=entry["title"],
        items=entry["items"],
        note=entry.get("note", ""),
        due_date=None if due is None else today + timedelta(days=due),
        remind_every_days=None,
        requested_by=asker,
        clock=Clock(asked_at),
    )
    if entry["reminders"]:
        told_on = today - timedelta(days=entry["last_reminder_days_ago"])
        request.reminder_count, request.last_reminder_on = entry["reminders"], told_on
        request.next_reminder_on = Cadence.of(firm).plan(request, after=told_on)
    request.save()
    FileRequest.objects.filter(pk=request.pk).update(created_at=asked_at, updated_at=asked_at)


def _file(world: World, firm: Firm, entry: dict[str, Any]) -> Object | None:
    """Make a document, and return what is to be stored of it."""
    at = _moment(world, firm, entry["days_ago"])
    whole = _object(firm, entry, at)
    document = Document.objects.create(
        firm=firm,
        title=entry["title"],
        sha256=hashlib.sha256(whole.content).hexdigest(),
        file_name=f"{entry['title']}.pdf",
        content_type="application/pdf",
        size_bytes=len(whole.content),
        bucket=bucket_in_use(),
        storage_key=whole.key,
    )
    Document.objects.filter(pk=document.pk).update(created_at=at, updated_at=at)
    match entry.get("object"):
        case "missing":
            return None
        case "cut off":
            return Object(whole.key, whole.content[: len(whole.content) // 2], at)
    return whole


def _object(firm: Firm, entry: dict[str, Any], at: datetime) -> Object:
    content = f"%PDF-1.4\n% {entry['title']}\n%%EOF\n".encode()
    return Object(f"{prefix_of(firm)}{uuid4()}/file.pdf", content, at)


def _moment(world: World, firm: Firm, days_ago: int) -> datetime:
    on = firm.today(world.clock) - timedelta(days=days_ago)
    return days.local_instant(on, time(11), firm.timezone)


# ---- outside --------------------------------------------------------------------------------


def _store(objects: Sequence[Object]) -> None:
    with closing(get_storage()) as storage:
        for one in objects:
            storage.put(
                one.key,
                io.BytesIO(one.content),
                content_type="application/pdf",
                size=len(one.content),
                sha256=hashlib.sha256(one.content).hexdigest(),
            )
            if folder := settings.STORAGE.get("folder"):
                at = one.stored_at.timestamp()
                os.utime(Path(folder) / one.key, (at, at))


def _remove(firms: Sequence[Firm]) -> None:
    with closing(get_storage()) as storage:
        for firm in firms:
            try:
                for key in [one.key for one in storage.listing(prefix_of(firm))]:
                    storage.remove(key)
            except Problem:
                logger.exception("The files of demo firm %d are still stored", firm.pk)
