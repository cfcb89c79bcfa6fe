"""Find where somebody is spoken of, and take them out of it.

The database finds candidates by a piece of plain text that each mention must contain; what
is one is decided here, by the same rule on both databases: without regard to case, and as a
whole word, so that ``ann@example.com`` is not found in ``joann@example.com``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from django.db import connection, models
from django.db.models import F, Func, Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from apps.core.batches import by_key
from apps.core.fields import SecretsField
from apps.privacy.services.erasing.marks import Kind, Mark, Marks

ERASED = "[erased]"
LEAST = 3  # characters of plain ASCII that are worth asking the database for
AT_ONCE = 20  # pieces of text in one question

_TEXT = (models.CharField, models.TextField, models.FileField, models.JSONField)
_PLAIN = re.compile(r"[!#-%(-+\--\[\]-~]+")  # within a word, and the same in JSON and HTML
_APOSTROPHE = r"(?:['’]|&\#x?(?:27|39);)"
_BETWEEN_DIGITS = r"[\s().\-/]*"


class Seeker:
    """Looks for somebody's marks."""

    def __init__(self, marks: Marks) -> None:
        self.marks = marks
        patterns = sorted((_pattern(mark) for mark in marks.all), key=len, reverse=True)
        self._pattern = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None

    @cached_property
    def pieces(self) -> list[str]:
        """Pieces of text of which each mention contains at least one."""
        return sorted({piece for mark in self.marks.all for piece in _pieces(mark)})

    def finds(self, value: Any) -> bool:
        """Whether a text, or any text within JSON, speaks of them."""
        match value:
            case str():
                return bool(self._pattern and self._pattern.search(value))
            case dict():
                return any(self.finds(one) for pair in value.items() for one in pair)
            case list():
                return any(self.finds(one) for one in value)
            case bytes() | memoryview():
                return self.finds(bytes(value).decode(errors="surrogateescape"))
        return False

    def without(self, value: Any) -> Any:
        """Return the value without them; whatever else it says stays."""
        match value:
            case str():
                return self._pattern.sub(ERASED, value) if self._pattern else value
            case dict():
                return {self.without(k): self.without(v) for k, v in value.items()}
            case list():
                return [self.without(one) for one in value]
            case bytes() | memoryview():
                text = bytes(value).decode(errors="surrogateescape")
                return str(self.without(text)).encode(errors="surrogateescape")
        return value

    def candidates(self, rows: "QuerySet[Any]", columns: Sequence[str]) -> Iterator[Any]:
        """Yield the rows in which one of the columns may speak of them, each once."""
        seen = set[object]()
        for start in range(0, len(self.pieces), AT_ONCE):
            asked = Q()
            for name in columns:
                for piece in self.pieces[start : start + AT_ONCE]:
                    written = _written(rows.model, name, piece)
                    asked |= Q(**{f"{_as_text(name)}__icontains": written})
            texts = {_as_text(name): _text(rows.model, name) for name in columns}
            for row in by_key(rows.alias(**texts).filter(asked).only("pk", *columns)):
                if row.pk not in seen:
                    seen.add(row.pk)
                    yield row

    def speaking(
        self, rows: "QuerySet[Any]", columns: Sequence[str]
    ) -> Iterator[tuple[Any, list[str]]]:
        """Yield the rows that speak of them, each with the columns that do."""
        for row in self.candidates(rows, columns):
            found = [name for name in columns if self.finds(getattr(row, name))]
            if found:
                yield row, found


def text_columns(model: type[Model]) -> list[str]:
    """Return the columns of a table that hold text, bytes or JSON; ciphertexts are none."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, (*_TEXT, models.BinaryField))
        and not isinstance(field, SecretsField)
    ]


# ---- the database's side ------------------------------------------------------------------


def _as_text(name: str) -> str:
    return f"{name}_as_text"


def _text(model: type[Model], name: str) -> Any:
    """Return a column as the database can search it."""
    if _is_encoded(model, name):
        return Func(F(name), Value("escape"), function="encode", output_field=TextField())
    return Cast(name, TextField())


def _written(model: type[Model], name: str, piece: str) -> str:
    """Return a piece as it stands in the text that ``_text`` makes of a column."""
    if not _is_encoded(model, name):
        return piece
    coded = piece.replace("\\", r"\\").encode()
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in coded)


def _is_encoded(model: type[Model], name: str) -> bool:
    """Tell whether PostgreSQL writes a column's bytes as ASCII: others as ``\\ooo``."""
    is_binary = isinstance(model._meta.get_field(name), models.BinaryField)
    return is_binary and connection.vendor == "postgresql"


def _pieces(mark: Mark) -> Iterable[str]:
    """Return pieces of text of which each way to write a mark contains at least one."""
    match mark.kind:
        case Kind.EMAIL:
            end = mark.text.rpartition("+")[2]
            return {end, end.replace("@", "%40")}
        case Kind.PHONE:
            return {mark.text[-4:]}
        case Kind.ID:
            return {mark.text}
    words = mark.text.replace(",", " ").split()
    plain = max(_PLAIN.findall(mark.text), key=len, default="")
    if len(plain) >= LEAST:
        return {plain}
    # SQL folds the case of A to Z at best, so each way to write it is asked for.
    word = max(words, key=len)
    ways = {word, word.lower(), word.upper(), word.title(), word.capitalize()}
    return ways | {_escaped(way) for way in ways}


# ---- our own ------------------------------------------------------------------------------


def _pattern(mark: Mark) -> str:
    match mark.kind:
        case Kind.EMAIL:
            address = re.escape(mark.text).replace("@", "(?:@|%40)")
            address = address.replace(r"\+", r"(?:\+|%2B)")
            return rf"(?<![\w.+-]){address}(?![\w-]|\.\w)"
        case Kind.PHONE:
            digits = _BETWEEN_DIGITS.join(re.sub(r"\D", "", mark.text))
            return rf"(?<!\d)(?:\+|00|%2B)?{digits}(?!\d)"
        case Kind.ID:
            return rf"(?<!\w){re.escape(mark.text)}(?!\w)"
    words = [_word(word) for word in mark.text.split()]
    before = r"(?<!\w)" if _has_edges(mark.text[0]) else ""
    after = r"(?!\w)" if _has_edges(mark.text[-1]) else ""
    return before + r"\s+".join(words) + after


def _word(word: str) -> str:
    """Return a pattern for a word, also where JSON or HTML has escaped a part of it."""
    return "".join(_letter(one) for one in word)


def _letter(letter: str) -> str:
    if letter in "'’":
        return _APOSTROPHE
    if letter.isascii():
        return re.escape(letter)
    cases = sorted({letter, letter.lower(), letter.upper()})
    return f"(?:{'|'.join(re.escape(way) for one in cases for way in (one, _escaped(one)))})"


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def _has_edges(letter: str) -> bool:
    """Whether words of such letters end where others begin: not in Chinese or Japanese."""
    return letter.isascii() or letter.lower() != letter.upper()
