"""The HTML of letters, made fit to be looked at: nothing of it runs, asks, sends or leads away.

Whoever writes a letter would like its reader to fetch a picture, click or sign in somewhere.
What is left here is text with some structure. Pictures are named and not shown, because to
fetch one tells its sender who read the letter, and when; links are written out and cannot be
clicked. The page is then shown in a sandbox without rights, under a policy that lets it fetch
nothing but our style sheet: should anything have been overlooked, it is as good as dead.
"""

import re
from collections import Counter
from html import escape
from html.parser import HTMLParser

import nh3

POLICY = (
    "default-src 'none'; style-src 'self'; sandbox; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
LONGEST = 200_000  # characters of HTML that are shown
LABOUR = 2_000_000  # elements that a browser, and the sanitiser, would have to make of it
_LONGEST_ADDRESS = 200
_DOT = 3  # pixels; a picture as small as this is there to count readers

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "code", "col", "colgroup", "dd",
    "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
    "kbd", "li", "ol", "p", "pre", "q", "s", "small", "span", "strike", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul",
}  # fmt: skip
_WITHOUT_THEIR_CONTENT = {
    "script", "style", "title", "head", "svg", "math", "template", "noscript", "iframe",
    "object", "embed", "applet", "form", "select", "textarea", "audio", "video", "canvas",
}  # fmt: skip
_CELL = {"colspan", "rowspan", "align", "valign"}
_ATTRIBUTES = {
    "*": {"dir", "lang"},
    "a": {"href"},
    "img": {"alt", "width", "height"},
    "ol": {"start"},
    "td": _CELL,
    "th": _CELL,
}
_SCHEMES = {"http", "https", "mailto", "tel"}


def show_html(html: str) -> str | None:
    """Return the HTML of a letter, safe to be shown; nothing if it takes too much to do so."""
    if len(html) > LONGEST or _labour(html) > LABOUR:
        return None
    clean = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_WITHOUT_THEIR_CONTENT,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel=None,
        strip_comments=True,
    )
    writer = _Writer()
    writer.feed(clean)
    writer.close()
    return writer.written


class _Writer(HTMLParser):
    """Writes what the sanitiser let through, but names pictures and tells where links lead."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._links: list[str] = []

    @property
    def written(self) -> str:
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "img":
            self._name_picture(told)
        elif tag == "a":
            self._links.append(told.get("href", ""))
            self._parts.append('<span class="link">')
        elif tag in _TAGS:
            kept = "".join(f' {name}="{escape(value)}"' for name, value in told.items())
            self._parts.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._parts.append("</span>")
            if address := self._links.pop() if self._links else "":
                self._parts.append(f' <span class="where">{_shortened(address)}</span>')
        elif tag in _TAGS and tag not in {"img", "br", "hr", "col"}:
            self._parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._parts.append(escape(data))

    def _name_picture(self, told: dict[str, str]) -> None:
        sides = (told.get("width", ""), told.get("height", ""))
        if any(side.isdecimal() and int(side) <= _DOT for side in sides):
            return
        name = told.get("alt", "").strip()
        words = f"picture: {name}" if name else "picture"
        self._parts.append(f'<span class="picture">[{escape(words)}]</span>')


def _shortened(address: str) -> str:
    if len(address) > _LONGEST_ADDRESS:
        address = f"{address[:_LONGEST_ADDRESS]}…"
    return escape(address)


# ---- how much work it would be -------------------------------------------------------------

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
# What a new one ends, where nobody has.
_ENDS: dict[str, set[str]] = {
    "p": {"p"},
    "li": {"li"},
    "option": {"option"},
    "dd": {"dd", "dt"},
    "dt": {"dd", "dt"},
    "td": {"td", "th"},
    "th": {"td", "th"},
    "tr": {"td", "th", "tr"},
}
# Those that are not ended are begun again in each element that follows (HTML, 13.2.4.3):
# a thousand of them and a thousand paragraphs are a million elements.
_FORMATTING = {
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt",
    "u",
}  # fmt: skip


def _labour(html: str) -> int:
    """Estimate how many elements there will be, at most, and how deep: depth × tags."""
    stack: list[str] = []
    lingering: Counter[str] = Counter()
    tags = deepest = 0
    for closing, name in _TAG.findall(html):
        tags += 1
        tag = name.lower()
        if tag in _VOID:
            continue
        if not closing:
            while stack and stack[-1] in _ENDS.get(tag, ()):
                stack.pop()
            stack.append(tag)
        elif tag in stack[-50:]:
            while (ended := stack.pop()) != tag:
                if ended in _FORMATTING:
                    lingering[ended] += 1
        elif lingering[tag]:
            lingering[tag] -= 1
        deepest = max(deepest, len(stack) + lingering.total())
        if deepest * tags > LABOUR:
            break
    return deepest * tags
