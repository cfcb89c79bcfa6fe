"""Digests: lists under headings that count, as plain text and as HTML.

The text is what the source document shows, sign by sign. Both are made of the same sections,
so that they cannot say different things.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.notifications.types import Words

QUIET, ALERT, WARN = "#66736e", "#b3261e", "#8a5a00"  # colours of what is noted at the side
_HEADING = "margin:24px 0 6px;font-size:14px;font-weight:600;color:#2f5d50;"
_LINK = "color:#2f5d50;"
_BELOW = "padding:0 0 8px;word-break:break-word;"
_CELL = "padding:8px 0 0;border-top:1px solid #e8edea;vertical-align:top;"


def counted(number: int, what: str) -> str:
    """Write a number of things: ``1 day``, ``7 days``."""
    return f"{number} {what}{'s' * (number != 1)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing in a list: its name, what it is, an amount, and what is noted beside it."""

    name: str
    text: str
    amount: str = ""
    note: str = ""
    page: str = ""  # where the name leads, in HTML

    def __str__(self) -> str:
        amount = f" - {self.amount}" if self.amount else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.name}: {self.text}{amount}{note}"


@dataclass(frozen=True, slots=True)
class Section:
    """A list under a heading that counts; more may be counted than are listed."""

    title: str
    count: int
    lines: Sequence[Line]
    intro: str = ""  # of the text: Top 5 Pending Requests:
    total: str = ""  # of everything counted
    page: str = ""  # where "and 3 more" leads, in HTML
    colour: str = QUIET  # of the notes

    @property
    def heading(self) -> str:
        return f"{self.title}: {self.count}"

    @property
    def left(self) -> int:
        """How many are counted and not listed."""
        return self.count - len(self.lines)


def digest(
    subject: str, sections: Sequence[Section], *, opening: str = "", closing: str = ""
) -> Words:
    """Write sections in both forms; those without anything are left out.

    ``opening`` is of the text alone: above the HTML stands the subject.
    """
    some = [one for one in sections if one.count]
    text = [opening, *(_as_text(one) for one in some), closing]
    html = [part for one in some for part in (heading(one.heading), _as_html(one))]
    if closing:
        html.append(format_html('<p style="margin:20px 0 16px;">{}</p>', closing))
    return Words(subject, "\n\n".join(filter(None, text)), join(html))


def heading(text: str) -> SafeString:
    """Write a heading inside a digest."""
    return format_html('<h2 style="{}">{}</h2>', _HEADING, text)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: something at the left, something at the right edge, more below."""

    left: SafeString | str
    right: SafeString | str = ""
    below: SafeString | str = ""


def table(rows: Iterable[Row]) -> SafeString:
    """Write rows; what is below has the whole width, so that it suits a telephone too."""
    return format_html(
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">'
        "\n{}\n</table>",
        join(_row_html(row) for row in rows),
    )


def bold(text: str) -> SafeString:
    """Write what is to be seen first."""
    return format_html("<strong>{}</strong>", text)


def linked(what: SafeString | str, page: str) -> SafeString:
    """Let something lead to a page, if there is one."""
    if not page:
        return format_html("{}", what)
    return format_html('<a href="{}" style="{}">{}</a>', page, _LINK, what)


def join(parts: Iterable[SafeString]) -> SafeString:
    """Put pieces of HTML below each other."""
    return format_html_join("\n", "{}", ((part,) for part in parts))


# ---- inside -------------------------------------------------------------------------------


def _as_text(section: Section) -> str:
    lines = [section.heading]
    lines += ["", section.intro] if section.intro else []
    lines += [f"  • {line}" for line in section.lines]
    lines += [f"  ... and {section.left} more"] if section.left and not section.intro else []
    lines += ["", f"Total: {section.total}"] if section.total else []
    return "\n".join(lines)


def _as_html(section: Section) -> SafeString:
    rows = [_row(line, section.colour) for line in section.lines]
    if section.left:
        rows.append(Row(linked(_noted(f"and {section.left} more", QUIET), section.page)))
    if section.total:
        rows.append(Row("Total", bold(section.total)))
    return table(rows)


def _row(line: Line, colour: str) -> Row:
    name = linked(bold(line.name), line.page)
    if not line.note:
        return Row(name, line.amount, line.text)
    note = _noted(line.note, colour)
    if not line.amount:
        return Row(name, note, line.text)
    return Row(name, line.amount, format_html("{}<br>{}", line.text, note))


def _row_html(row: Row) -> SafeString:
    if row.right:
        head = format_html(
            '<td width="50%" style="{}">{}</td>'
            '<td width="50%" align="right" style="{}padding-left:16px;">{}</td>',
            *(_CELL, row.left, _CELL, row.right),
        )
    else:
        head = format_html('<td colspan="2" style="{}">{}</td>', _CELL, row.left)
    return format_html(
        '<tr>{}</tr>\n<tr><td colspan="2" style="{}">{}</td></tr>', head, _BELOW, row.below
    )


def _noted(text: str, colour: str) -> SafeString:
    return format_html('<span style="font-size:14px;color:{};">{}</span>', colour, text)
