"""Plain text as the HTML of a message, for those who have written no HTML of their own.

The text keeps to what people write anyway, and it shows::

    Month: March 2025                       a table of two columns
    Total: $1,500.00

    Pay here:                               a button that says "Pay here"
    https://nightshift.example/pay/…

Anything else is a paragraph, escaped, with its addresses as links.
"""

import re
from html import escape

from django.utils.html import urlize
from django.utils.safestring import SafeString, mark_safe

_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
# A short name and what it is; a sentence that happens to have a colon ends with a full stop.
_FACT = re.compile(r"[^\W\d_][^:\n]{0,59}: [^\n]{0,99}[^.\n]")
_BUTTON = re.compile(r"([^\n:]{1,60}):\n(https?://\S+)")

_TABLE = (
    '<table role="presentation" cellpadding="0" cellspacing="0" border="0" '
    'style="margin:0 0 16px;font-size:16px;line-height:1.4;">{}</table>'
)
_ROW = (
    '<tr><td style="padding:3px 16px 3px 0;color:#66736e;vertical-align:top;">{}</td>'
    '<td style="padding:3px 0;vertical-align:top;font-weight:600;">{}</td></tr>'
)
_BUTTON_HTML = (
    '<p style="margin:20px 0;"><a href="{}" style="display:inline-block;padding:11px 20px;'
    "border-radius:6px;background:#2f5d50;color:#ffffff;font-weight:600;"
    'text-decoration:none;">{}</a></p>'
)


def as_html(text: str) -> SafeString:
    """Return a text as HTML; nothing in it is taken for markup."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return mark_safe("\n\n".join(map(_paragraph, _BLANK_LINES.split(plain))))  # noqa: S308 - below


def _paragraph(text: str) -> str:
    """Return one paragraph, escaped."""
    if ":" in text:
        if button := _BUTTON.fullmatch(text):
            return _BUTTON_HTML.format(escape(button[2]), escape(button[1]))
        lines = text.split("\n")
        if all(map(_FACT.fullmatch, lines)):
            pairs = (map(escape, line.split(": ", 1)) for line in lines)
            return _TABLE.format("".join(_ROW.format(*pair) for pair in pairs))
        if "://" in text:
            return f"<p>{_with_breaks(urlize(text, autoescape=True))}</p>"
    return f"<p>{_with_breaks(escape(text))}</p>"


def _with_breaks(html: str) -> str:
    return html.replace("\n", "<br>")
