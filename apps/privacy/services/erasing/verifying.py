"""Look for what should be gone: in every text column of every table, not only where pages say.

A hit is no error in what the law or a dispute keeps, nor in what is another living person's
own (their name or address contains the same words). Anything else is: a page that forgot a
column, or a row that an erasure missed.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model, Q

from apps.core.personal import Holding, holdings
from apps.firms.models import Firm
from apps.privacy.models import ErasureRequest, ErasureStep
from apps.privacy.services.erasing.covering import Covers
from apps.privacy.services.erasing.marks import Marks
from apps.privacy.services.erasing.parts import Part
from apps.privacy.services.erasing.rows import Rows, occupied
from apps.privacy.services.erasing.seeking import Seeker, text_columns


def traces_of(
    request: ErasureRequest, covers: Covers, marks: Marks, *, now: datetime
) -> list[str]:
    """Return the columns in which somebody who was erased is still found, never what is there.

    ``billing_payment.note``; for every firm that the erasure covers, and what belongs to none.
    """
    firms: list[Firm | None] = [*Firm.objects.filter(pk__in=covers.firms).order_by("pk"), None]
    found = set[str]()
    for firm in firms:
        part = Part(request, covers, marks, firm, now)
        if not part.is_held:
            found |= set(_traces_in(part))
    return sorted(found)


def _traces_in(part: Part) -> Iterator[str]:
    pages = {holding.model: holding for holding in holdings()}
    seeker = Seeker(part.marks)
    tables = [
        model
        for model in apps.get_models(include_auto_created=True)
        # No report of other tables' rows; and not a firm's own name, whose-ever it is.
        if model._meta.managed and not model._meta.proxy and model is not Firm
    ]
    used = occupied(tables)
    for model in (one for one in tables if one in used):
        page = pages.get(model) or _without_page(model)
        rows = Rows(page, part.firm_id, part.people, part.holds)
        if rows.has_any:
            yield from (f"{model._meta.db_table}.{name}" for name in _found(rows, seeker))


def _without_page(model: type[Model]) -> Holding:
    """Stand in for a page that is missing: nothing in the table is anybody's."""
    names = {column.name for column in model._meta.concrete_fields}
    columns = text_columns(model)
    return Holding(model, firm="firm" if "firm" in names else "", plain=columns)


def _found(rows: Rows, seeker: Seeker) -> Iterator[str]:
    holding = rows.holding
    by_hand = set(holding.told) if holding.search is not None else set()
    columns = [name for name in text_columns(holding.model) if name not in by_hand]
    hits = {row.pk: names for row, names in seeker.speaking(_looked_at(rows), columns)}
    if holding.search is not None:
        for key in rows.scoped.filter(pk__in=list(holding.search(seeker.finds))):
            hits.setdefault(key.pk, []).extend(sorted(by_hand))
    if not hits:
        return
    kept = _among(rows.untouchable, hits)
    own = _among(rows.own, hits)
    said_by_all = {*holding.told, *holding.plain, *holding.secret}
    for key, names in hits.items():
        if key not in kept:
            yield from (name for name in names if key in own or name in said_by_all)


def _looked_at(rows: Rows) -> Any:
    """Leave out what an open step is done to: it is forgotten when the step is."""
    if rows.holding.model is ErasureStep:
        return rows.scoped.exclude(Q(done_at=None))
    return rows.scoped


def _among(rows: Any, hits: Iterable[Any]) -> set[Any]:
    return set(rows.filter(pk__in=list(hits)).values_list("pk", flat=True))
