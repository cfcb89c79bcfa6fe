"""Which condition of a selection keeps a row out.

A job's selection is a queryset, and that queryset is the only place where its conditions
stand. Here each of its top-level conditions is asked by itself whether a row meets it, and
what fails is put into words: the automatic ones (*status must be sent or overdue; it is
paid*), or the sentence that was declared for the condition's key.

Keys name what a condition looks at: the path of a column (``firm__is_active``), of several
(``a|b``, for an OR), the name of an annotation, or the model of an ``Exists``
(``billing.paymentattempt``; ``no billing.paymentattempt`` for one that must not exist).
Where two conditions look at the same column, the comparison follows: ``due_date__lt``. A
declared key may end in ``*``, where what follows depends on what a firm has set, and has
behind it the value of a row that it is for: ``status=paid``. ``{value}`` in a sentence is
what the row is, ``{wanted}`` what it would have to be; of an OR each value has the name of
its column.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from django.apps import apps
from django.db.models import Exists, F, Field, Model, OuterRef, QuerySet
from django.db.models.expressions import Col, NegatedExpression
from django.db.models.lookups import Lookup
from django.db.models.sql import Query
from django.db.models.sql.where import AND, NothingNode, WhereNode
from django.utils.translation import gettext as _
from django_stubs_ext import StrOrPromise

from apps.core import money
from apps.core.days import zone

Sentences = Mapping[str, StrOrPromise]


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison inside a condition."""

    key: str
    label: str  # "due date"
    comparison: str  # the lookup's name
    wanted: Any
    negated: bool
    field: "Field[Any, Any] | None" = None
    reads: str = ""  # the path by which the row's own value is read


@dataclass(frozen=True)
class Condition:
    """One top-level condition of a selection, as a test that stands alone."""

    key: str
    parts: Sequence[Part]
    rows: "QuerySet[Any]"  # the selection with this condition only


@dataclass(frozen=True, slots=True)
class Failure:
    """A condition that a row does not meet, and the sentence for it."""

    key: str
    sentence: str


def conditions_of(selection: "QuerySet[Any]") -> list[Condition]:
    """Return the top-level conditions of a queryset, in its own order; asks nothing."""
    query: Query = selection.query
    found = []
    for node in _top(query.where):
        parts = list(_parts(query, node, negated=False))
        keys = list(dict.fromkeys(part.key for part in parts))
        found.append(Condition("|".join(keys), parts, _alone(selection, node)))
    times = Counter(condition.key for condition in found)
    return [
        replace(one, key=f"{one.key}__{one.parts[0].comparison}")
        if times[one.key] > 1 and one.parts
        else one
        for one in found
    ]


def failures(
    row: Model,
    selections: "Mapping[str, QuerySet[Any]]",
    *,
    sentences: Mapping[str, Sentences],
    zone_name: str,
) -> dict[str, list[Failure]]:
    """Return what keeps a row out of each of several selections of its model; one query.

    In the order of the declared sentences, the most telling first. Instants are written as
    they are read in the zone of that name.
    """
    found = {name: conditions_of(selection) for name, selection in selections.items()}
    tests = {
        f"test_{index}_{place}": Exists(condition.rows.filter(pk=OuterRef("pk")))
        for index, conditions in enumerate(found.values())
        for place, condition in enumerate(conditions)
    }
    reads = dict.fromkeys(
        part.reads
        for conditions in found.values()
        for condition in conditions
        for part in condition.parts
        if part.reads
    )
    values = {f"value_{index}": F(path) for index, path in enumerate(reads)}
    rows = type(row)._base_manager.filter(pk=row.pk)
    answer = rows.values(**tests, **values).first() or {}
    actual = {path: answer.get(f"value_{index}") for index, path in enumerate(reads)}
    speaker = _Speaker(row, actual, zone_name)
    failed = {}
    for index, (name, conditions) in enumerate(found.items()):
        unmet = [
            condition
            for place, condition in enumerate(conditions)
            if not answer.get(f"test_{index}_{place}")
        ]
        failed[name] = [
            Failure(condition.key, speaker.says(condition, sentences[name]))
            for condition in _telling(unmet)
        ]
        failed[name].sort(key=partial(_place, declared=list(sentences[name])))
    return failed


def speaks_of(pattern: str, key: str) -> bool:
    """Tell whether a declared sentence is about the condition of that key."""
    return fnmatchcase(key, pattern.partition("=")[0])


# ---- taking a selection apart -----------------------------------------------------------


def _top(node: Any) -> Iterator[Any]:
    """Yield the conditions that must all hold."""
    is_list = isinstance(node, WhereNode) and not node.negated
    if is_list and (node.connector == AND or len(node.children) == 1):
        for child in node.children:
            yield from _top(child)
    else:
        yield node


def _alone(selection: "QuerySet[Any]", node: Any) -> "QuerySet[Any]":
    """Return the selection with one of its conditions only.

    Its joins stay, since the condition names their aliases, but as outer ones: an inner join
    is a condition too, and would exclude the row from every test.
    """
    rows = selection.order_by().select_related(None)
    query: Query = rows.query
    query.where = WhereNode([node])
    query.promote_joins(list(query.alias_map))
    return rows


def _parts(query: Query, node: Any, *, negated: bool) -> Iterator[Part]:
    """Yield the comparisons that a condition is made of."""
    if isinstance(node, WhereNode):
        for child in node.children:
            yield from _parts(query, child, negated=negated != node.negated)
        return
    if isinstance(node, NegatedExpression):
        yield from _parts(query, node.expression, negated=not negated)
        return
    if isinstance(node, Exists):
        model = _searched(node.query)
        name, label = model._meta.label_lower, str(model._meta.verbose_name)
        yield Part(f"no {name}" if negated else name, label, "exists", True, negated)
        return
    if isinstance(node, NothingNode):
        yield Part("nothing", _("the selection"), "nothing", None, negated)
        return
    if not isinstance(node, Lookup):
        yield Part(_annotation(query, node), "", "holds", True, negated)
        return
    if isinstance(node.lhs, Exists | NegatedExpression):
        yield from _parts(query, node.lhs, negated=negated)
        return
    name = str(node.lookup_name)
    if isinstance(node.lhs, Col):
        path, label = _path(query, node.lhs)
        wanted = node.rhs
        if isinstance(wanted, Col):
            wanted = _Named(_path(query, wanted)[1])
        yield Part(path, label, name, wanted, negated, node.lhs.target, _readable(query, path))
    else:
        key = _annotation(query, node.lhs)
        yield Part(key, key.replace("_", " "), name, node.rhs, negated)


def _path(query: Query, column: Col) -> tuple[str, str]:
    """Return the path of a column from the selected table, and how people call it."""
    path, label = [column.target.name], [str(column.target.verbose_name)]
    alias = column.alias
    while (parent := getattr(query.alias_map.get(alias), "parent_alias", None)) is not None:
        joined: Any = query.alias_map[alias]
        through = joined.join_field
        path.insert(0, through.name)
        label.insert(0, str(getattr(through, "verbose_name", through.name.replace("_", " "))))
        alias = parent
    return "__".join(path), "'s ".join(label)


def _readable(query: Query, path: str) -> str:
    """Return the path if it leads to one value: not through rows of which there are many."""
    options = query.get_meta()
    for name in path.split("__")[:-1]:
        field = options.get_field(name)
        if field.one_to_many or field.many_to_many or field.related_model is None:
            return ""
        options = field.related_model._meta
    return path


def _searched(query: Query) -> type[Model]:
    """Return the model whose rows a subquery looks through.

    Of ``exclude(attempts__…)`` Django makes one that still names the outer model.
    """
    for alias, joined in query.alias_map.items():
        if query.alias_refcount[alias]:
            for model in apps.get_models():
                if model._meta.db_table == joined.table_name:
                    return model
    return query.model or Model


def _annotation(query: Query, expression: Any) -> str:
    """Return the name under which the selection keeps an expression."""
    for name, known in query.annotations.items():
        if known == expression:
            return name
    return str(getattr(expression, "name", type(expression).__name__.lower()))


def _telling(unmet: Sequence[Condition]) -> list[Condition]:
    """Leave out what only follows: what is empty is not before any day, either."""
    empty = {
        condition.key.removesuffix("__isnull")
        for condition in unmet
        if [part.comparison for part in condition.parts] == ["isnull"]
    }
    return [
        condition
        for condition in unmet
        if condition.parts[0].comparison == "isnull" or condition.parts[0].key not in empty
    ]


def _place(failure: Failure, declared: Sequence[str]) -> int:
    found = (place for place, one in enumerate(declared) if speaks_of(one, failure.key))
    return next(found, len(declared))


def _declared(key: str, values: Sequence[Any], sentences: Sentences) -> str:
    """Return the sentence for a condition: for one of the row's values, else for any."""
    fitting = [one for one in sentences if speaks_of(one, key)]
    exact = [one for one in fitting for value in values if one.endswith(f"={value}")]
    usual = [one for one in fitting if "=" not in one]
    return str(sentences[(exact or usual)[0]]) if exact or usual else ""


# ---- the words --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """Something that a value is compared with, by its name."""

    name: str


@dataclass(frozen=True)
class _Speaker:
    """Says what a row would have to be, and what it is."""

    row: Model
    actual: Mapping[str, Any]
    zone_name: str

    def says(self, condition: Condition, declared: Sentences) -> str:
        first = condition.parts[0]
        value = self.actual.get(first.reads)
        values = [value, *(self.actual[part.reads] for part in condition.parts if part.reads)]
        if sentence := _declared(condition.key, values, declared):
            written = self._written(value, first.field)
            others = {
                part.key: self._written(self.actual[part.reads], part.field)
                for part in condition.parts
                if part.reads
            }
            return sentence.format(value=written, wanted=self._wanted(first), **others)
        words = _(" or ").join(self._must(part) for part in condition.parts)
        shown = {part.key: part for part in condition.parts if part.reads}.values()
        facts = [(p.label, self._written(self.actual[p.reads], p.field)) for p in shown]
        if len(facts) == 1:
            return _("%(words)s; it is %(value)s") % {"words": words, "value": facts[0][1]}
        told = ", ".join(f"{label}: {fact}" for label, fact in facts)
        return f"{words} ({told})" if told else words

    def _must(self, part: Part) -> str:
        facts = {"label": part.label, "wanted": self._wanted(part)}
        for_days = isinstance(part.wanted, date)
        words = {
            "exact": (_("%(label)s must be %(wanted)s"), _("%(label)s must not be %(wanted)s")),
            "in": (_("%(label)s must be %(wanted)s"), _("%(label)s must not be %(wanted)s")),
            "isnull": (_("%(label)s must be empty"), _("%(label)s must not be empty")),
            "exists": (_("there must be a %(label)s"), _("there must be no %(label)s")),
            "lt": (
                _("%(label)s must be before %(wanted)s")
                if for_days
                else _("%(label)s must be below %(wanted)s"),
                _("%(label)s must not be before %(wanted)s"),
            ),
            "lte": (
                _("%(label)s must be at the latest %(wanted)s")
                if for_days
                else _("%(label)s must be at most %(wanted)s"),
                _("%(label)s must be after %(wanted)s"),
            ),
            "gt": (
                _("%(label)s must be after %(wanted)s")
                if for_days
                else _("%(label)s must be above %(wanted)s"),
                _("%(label)s must not be after %(wanted)s"),
            ),
            "gte": (
                _("%(label)s must be at the earliest %(wanted)s")
                if for_days
                else _("%(label)s must be at least %(wanted)s"),
                _("%(label)s must be before %(wanted)s"),
            ),
        }
        usual = (_("%(label)s must match"), _("%(label)s must not match"))
        negated = part.negated
        if part.comparison == "isnull" and part.wanted is False:
            negated = not negated
        return str(words.get(part.comparison, usual)[negated] % facts)

    def _wanted(self, part: Part) -> str:
        if isinstance(part.wanted, _Named):
            return part.wanted.name
        if part.comparison == "in" and not isinstance(part.wanted, Query):
            several = [self._written(one, part.field) for one in part.wanted]
            if len(several) < 2:
                return "".join(several)
            return _("%(some)s or %(last)s") % {
                "some": ", ".join(several[:-1]),
                "last": several[-1],
            }
        if hasattr(part.wanted, "resolve_expression") or isinstance(part.wanted, Query):
            return _("one of those selected")
        return self._written(part.wanted, part.field)

    def _written(self, value: Any, field: "Field[Any, Any] | None") -> str:
        """Write a value as people read it."""
        if field is not None and field.choices and value is not None:
            label = dict(field.flatchoices).get(value, value)
            return str(label).lower() if value else _("nothing yet")
        if value is None or value == "":
            return _("empty")
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if isinstance(value, datetime):
            return f"{value.astimezone(zone(self.zone_name)):%Y-%m-%d %H:%M}"
        currency = getattr(self.row, "currency", "")
        is_money = field is not None and field.name.endswith("_minor")
        if is_money and currency and isinstance(value, int):
            return money.write_minor(value, currency)
        return str(value)
