"""Count by spans of time that no calendar of the database knows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Case, DateTimeField, F, Func, IntegerField, Value, When
from django.db.models.lookups import LessThan


class Bucket(Func):
    """In which span an instant is, between so many ascending edges.

    From 0, before the first edge, to their number, from the last one on. An edge belongs to
    the span that it begins, as for ``bisect_right``.
    """

    function = "WIDTH_BUCKET"
    output_field: Any = IntegerField()

    def __init__(self, instant: Any, edges: Sequence[datetime]) -> None:
        at = F(instant) if isinstance(instant, str) else instant
        super().__init__(at, Value(list(edges)))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Compare with one edge after the other."""
        at, edges = self.get_source_expressions()
        spans = [
            When(LessThan(at, Value(edge, DateTimeField())), then=Value(number))
            for number, edge in enumerate(edges.value)
        ]
        case = Case(*spans, default=Value(len(edges.value)), output_field=IntegerField())
        return case.as_sql(compiler, connection)
