"""Somebody who reads everything that Nightshift says, keeps or shows, looking for secrets."""

import base64
import io
import json
import logging
import re
import traceback
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.module_loading import import_string

# Beside the root's, those that somebody may turn up one day; all but Stripe's library, which
# the project holds at WARNING because it repeats whole answers below that.
LOGGERS = (
    *("apps", "project", "django", "django.request", "django.db.backends", "django.template"),
    *("django-q", "urllib3", "requests", "charset_normalizer", "asyncio", "imapclient"),
)
SQL = "django.db.backends"

_CODED = re.compile(r"[A-Za-z0-9+/_-]{16,}")  # base64, possibly


class Watch:
    """Remembers all that was heard, by where, and the markers to look for in it.

    Several may have one name. Where they may be found is told with ``allow``; a place is how
    the name of where something was heard begins: ``column contacts_contact.email``.
    """

    def __init__(self) -> None:
        self.markers: set[tuple[str, str]] = set()
        self.allowed: set[tuple[str, str]] = set()
        self.heard: dict[str, set[str]] = defaultdict(set)

    def mark(self, **markers: str) -> None:
        """Look for these from now on."""
        assert all(len(text) >= 8 for text in markers.values()), "too short to be told apart"
        self.markers |= set(markers.items())

    def allow(self, **places: Sequence[str]) -> None:
        """Let a marker be found in these places."""
        self.allowed |= {(name, place) for name, some in places.items() for place in some}

    def hear(self, where: str, what: object) -> None:
        self.heard[where].add(what if isinstance(what, str) else repr(what))

    # ---- where things are said --------------------------------------------------------------

    def run(self, command: str, **options: Any) -> str:
        """Run a job at every verbosity and as JSON; returns what it said in JSON."""
        for verbosity in range(4):
            self.run_once(command, verbosity=verbosity, **options)
        return self.run_once(command, json=True, **options)

    def run_once(self, command: str, **options: Any) -> str:
        """Run a command and return all that it said, on both streams and as its end."""
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            try:
                call_command(command, stdout=out, stderr=out, **options)
            except CommandError as error:
                out.write(str(error))
            except Exception:
                out.write(traceback.format_exc())  # as Python ends
        self.hear(f"output of {command}", out.getvalue())
        return out.getvalue()

    def read(self, where: str, answer: Any) -> Any:
        """Read an HTTP answer: status line, headers, cookies and body."""
        self.hear(f"{where}: headers", [*answer.items(), answer.cookies.output()])
        self.hear(f"{where}: body", answer.content.decode(errors="replace"))
        return answer

    # ---- what came of it --------------------------------------------------------------------

    def leaks(self) -> list[str]:
        """Return which marker was found where, without those that may be there."""
        for letter in mail.outbox:
            place = f"mail to {', '.join(letter.to)}"
            self.hear(place, letter.message().as_string())
            self.hear(place, [letter.subject, letter.body, letter.alternatives])
        for where, what in everything_kept():
            self.hear(where, what)
        return sorted(
            f"{name} in {where}"
            for where, said in self.heard.items()
            for name in self._found_in("\n".join(said))
            if not any(name == n and where.startswith(place) for n, place in self.allowed)
        )

    def _found_in(self, what: str) -> set[str]:
        whole = "\n".join([what, *decoded(what)])
        return {
            name
            for name, marker in self.markers
            if marker in whole or quote(marker, safe="") in whole
        }


def decoded(what: str) -> Iterator[str]:
    """Yield what the coded parts of a text hold: tasks, sessions, headers of requests."""
    for part in set(_CODED.findall(what)):
        for altchars in (b"+/", b"-_"):
            with suppress(ValueError):
                raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=altchars)
                yield raw.decode("utf-8", "replace")
                with suppress(zlib.error):
                    yield zlib.decompress(raw).decode("utf-8", "replace")


def everything_kept() -> Iterator[tuple[str, str]]:
    """Yield every value of every column of the database as it stands there."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            assert cursor.description
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                for name, value in zip(names, row, strict=True):
                    if text := _text(value):
                        yield f"column {table}.{name}", text


def _text(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else ""


class _Reader(logging.Handler):
    """Hears every record as the project's own formatter writes it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self.watch = watch
        plain: Any = settings.LOGGING["formatters"]["plain"]
        self.setFormatter(import_string(plain["()"])(plain["format"], style=plain["style"]))

    def emit(self, record: logging.LogRecord) -> None:
        place = "SQL log" if record.name == SQL else f"log {record.name}"
        self.watch.hear(place, self.format(record))


@contextmanager
def watching() -> Iterator[Watch]:
    """Read all logs at DEBUG while something happens, that of the database included."""
    watch = Watch()
    reader = _Reader(watch)
    loggers = [logging.getLogger(), *map(logging.getLogger, LOGGERS)]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        if logger.parent is None or not logger.propagate:
            logger.addHandler(reader)
    try:
        with CaptureQueriesContext(connection):
            yield watch
    finally:
        for logger, level in before:
            logger.setLevel(level)
            logger.removeHandler(reader)
