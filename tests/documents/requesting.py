"""What the tests of file requests share: requests made the way the product makes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import time_machine
from django.core.management import call_command

from apps.contacts.models import Contact
from apps.core.days import Clock
from apps.documents.models import FileRequest, UploadLink
from apps.documents.services import request_files
from apps.documents.tokens import token_for
from apps.firms.models import Firm

ASKED = date(2025, 6, 1)


def noon(day: date) -> datetime:
    """Return noon of a day in New York, where the factories' firms are."""
    return datetime(day.year, day.month, day.day, 16, tzinfo=UTC)


@contextmanager
def on(day: date) -> Iterator[Clock]:
    with time_machine.travel(noon(day), tick=False):
        yield Clock(noon(day))


def after(days: int) -> date:
    return ASKED + timedelta(days=days)


def ask(contact: Contact, *items: str, on_day: date = ASKED, **how: Any) -> FileRequest:
    """Ask somebody for files; by nobody, without a due date, unless the test says so."""
    told: dict[str, Any] = {
        "title": "Tax return 2024",
        "note": "",
        "due_date": None,
        "remind_every_days": None,
        "requested_by": None,
    }
    with on(on_day) as clock:
        return request_files(
            contact=contact, items=items or ("Bank statements",), clock=clock, **(told | how)
        )


def run(day: date, **options: Any) -> str:
    out = StringIO()
    with on(day):
        call_command("send_file_request_reminders", stdout=out, **options)
    return out.getvalue()


def figures(output: str) -> list[int]:
    """Return reminders sent, requests covered, skipped, errors."""
    lines = output.partition("Summary:\n")[2].splitlines()
    return [int(line.rpartition(" ")[2]) for line in lines]


def line(firm: Firm, words: str) -> str:
    return f"Firm {firm} (ID: {firm.pk}): {words}\n"


def address(link: UploadLink | None = None) -> str:
    """Return where a link, or the newest one, leads."""
    link = link or UploadLink.objects.latest("pk")
    return f"/upload/{token_for(link.token_nonce)}/"
