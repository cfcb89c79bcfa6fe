"""Texts as they may be stored and shown, and bytes as texts whatever they say they are."""

import re

_LINE_BREAKS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
# What no text needs and some programs choke on: PostgreSQL on NUL, every encoder on halves
# of characters.
_UNFIT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# On one line, letters that turn the direction of writing make "gpj.exe" look like a picture.
_TURNING = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPACES = re.compile(r"\s+")

# Python knows these as encodings, but they are none of a letter's, and decoding a long text
# takes them a time that grows with its square.
_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
_GUESSES = ("utf-8", "cp1252")


def clean_line(text: str, most: int) -> str:
    """Return a text on one line, of at most so many characters."""
    text = _TURNING.sub("", _UNFIT.sub(" ", text[: 4 * most]))
    return _SPACES.sub(" ", text).strip()[:most]


def clean_text(text: str, most: int) -> str:
    """Return a text of several lines, of at most so many characters."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", _LINE_BREAKS.sub("\n", text[:most]))


def decode_bytes(raw: bytes, charset: str = "") -> str:
    """Return bytes as a text: in the charset they claim, else in the one they look like."""
    claimed = [charset] if charset and _name(charset) not in _NO_CHARSETS else []
    for name in (*claimed, *_GUESSES):
        try:
            return raw.decode(name)
        except (LookupError, ValueError):  # ValueError: also a NUL in a charset's name
            continue
    return raw.decode("latin-1")


def _name(charset: str) -> str:
    return charset.lower().replace("-", "_").strip()
