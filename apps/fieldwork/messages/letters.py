"""Letters: the same parts as plain text and as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.defaultfilters import linebreaksbr
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.notifications.types import Words


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a stretch of a longer letter."""

    says: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are; rows that say nothing are left out."""

    rows: Sequence[tuple[str, str]]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [row for row in self.rows if row[1]]


@dataclass(frozen=True, slots=True)
class Points:
    """A list."""

    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Button:
    """The one way to go on from here."""

    says: str
    leads_to: str


Part = str | Heading | Facts | Points | Button


def letter(subject: str, *parts: Part) -> Words:
    """Write a letter in both forms; empty parts are left out."""
    said = [part for part in parts if _says_something(part)]
    return Words(
        " ".join(subject.split()),
        "\n\n".join(_as_text(part) for part in said),
        format_html_join("\n", "{}", ((_as_html(part),) for part in said)),
    )


def _says_something(part: Part) -> bool:
    match part:
        case Facts():
            return bool(part.told)
        case Points(lines):
            return bool(lines)
        case str():
            return bool(part.strip())
    return True


def _as_text(part: Part) -> str:
    match part:
        case Heading(says):
            return says
        case Facts():
            return "\n".join(f"{name}: {value}" for name, value in part.told)
        case Points(lines):
            return "\n".join(f"  • {line}" for line in lines)
        case Button(says, leads_to):
            return f"{says}:\n{leads_to}"
    return part


def _as_html(part: Part) -> SafeString:
    match part:
        case Heading(says):
            return format_html(
                '<h2 style="margin:20px 0 8px;font-size:16px;font-weight:600;">{}</h2>', says
            )
        case Facts():
            rows = format_html_join(
                "",
                '<tr><td style="padding:3px 16px 3px 0;color:#66736e;vertical-align:top;'
                'white-space:nowrap;">{}</td><td style="padding:3px 0;">{}</td></tr>',
                part.told,
            )
            return format_html(
                '<table role="presentation" cellpadding="0" cellspacing="0" border="0" '
                'style="margin:0 0 16px;font-size:16px;line-height:1.4;">{}</table>',
                rows,
            )
        case Points(lines):
            items = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
            return format_html('<ul style="margin:0 0 16px;padding-left:20px;">{}</ul>', items)
        case Button(says, leads_to):
            return format_html(
                '<p style="margin:20px 0 16px;"><a href="{}" style="display:inline-block;'
                "padding:10px 18px;border-radius:6px;background:#2f5d50;color:#ffffff;"
                'text-decoration:none;font-weight:600;">{}</a></p>',
                leads_to,
                says,
            )
    return format_html('<p style="margin:0 0 16px;">{}</p>', linebreaksbr(part))
