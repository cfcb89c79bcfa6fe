"""Log lines that never repeat a customer's data or a secret."""

import logging
import re
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from apps.core.watching import whereabouts

_ExcInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# PostgreSQL repeats the offending row ("DETAIL:  Key (email)=(ada@…) already exists.") and the
# statement with its values ("LINE 1: INSERT …"), over several lines if a value has any;
# SQLite names columns only.
_ROW_DETAIL = re.compile(
    r"^\s*(DETAIL|CONTEXT|QUERY|PARAMETERS|LINE \d+):.*?"
    r"(?=\n\n(?:The above exception|During handling)|\nTraceback \(most|\Z)",
    re.MULTILINE | re.DOTALL,
)

# Whoever knows the address of a signing page may sign (spec D22), and so it is with payment
# pages, downloads and unsubscribing. Django logs the path of every answer from 400 on, and
# every access log has it.
_SECRET_LINK = re.compile(r"/(sign|pay|files|unsubscribe)/[^/\s\"'?]+")

# Some services want their key in the address, which urllib3 repeats when it asks again.
_SECRET_PARAMETER = re.compile(r"([?&]apikey=)[^&\s\"']+")


def discreet(text: str) -> str:
    """Return a line without row values, secret parts of links and keys of services."""
    text = _SECRET_PARAMETER.sub(r"\1…", _ROW_DETAIL.sub(r"\1: (left out)", text))
    return _SECRET_LINK.sub(r"/\1/…", text)


class DiscreetFormatter(logging.Formatter):
    """Format a record without row values in database errors and without secret links."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's own name
        return discreet(super().formatException(ei))

    def format(self, record: logging.LogRecord) -> str:
        return discreet(super().format(record))


class DiscreetJsonFormatter(JsonFormatter):
    """Write a record as one JSON object on one line, as discreet as the plain formatter.

    ``run`` and ``job`` are those on record where the line was written, ``firm`` that of the
    item at work there. What else hangs on a record is left out: Django hangs the request
    on it, with the path of whoever asked.
    """

    FIELDS = ("at", "level", "logger", "message", "error", "stack")

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={
                "levelname": "level",
                "name": "logger",
                "exc_info": "error",
                "stack_info": "stack",
            },
            timestamp="at",
            json_ensure_ascii=False,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        kept = {name: log_data[name] for name in self.FIELDS if name in log_data}
        told = {
            name: discreet(value) if isinstance(value, str) else value
            for name, value in kept.items()
        }
        return super().process_log_record(told | whereabouts())
