"""The items of a run, a page at a time: filtered, in order, however many there are.

Nothing here counts or skips rows. A page begins after a ``Cursor``, and a filter that finds
little looks through ``WINDOW`` items at most before it says where it has got to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from apps.core.reports import Outcome
from apps.firms.models import Firm
from apps.jobs.models import JobRunItem

Items = QuerySet[JobRunItem]

SIZE = 100  # of a page
WINDOW = 20_000  # items that are looked through for one page
SAMPLE = 2_000  # items among which the choices of the filters are looked for


@dataclass(frozen=True, slots=True)
class Cursor:
    """The item that a page goes on after."""

    position: int
    pk: int = 0

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return the cursor that an address names; nothing for what is none."""
        position, _, pk = text.partition("-")
        if not (position.isdecimal() and pk.isdecimal()) or len(text) > 30:
            return None
        return cls(int(position), int(pk))

    @classmethod
    def at(cls, item: JobRunItem) -> Self:
        return cls(item.position, item.pk)

    def __str__(self) -> str:
        return f"{self.position}-{self.pk}"

    def rest_of(self, items: Items) -> Items:
        # The same position may stand twice: a run that lost its worker counts on.
        behind = Q(position__gt=self.position) | Q(pk__gt=self.pk)
        return items.filter(behind, position__gte=self.position)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are asked for; what an address says wrongly is not asked."""

    outcome: str = ""
    reason: str = ""
    firm: str = ""  # its key
    label: str = ""  # how the label begins

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        said = {name: query.get(name, "").strip()[:200] for name in cls.__slots__}
        if said["outcome"] not in Outcome.values:
            said["outcome"] = ""
        if not (said["firm"].isdecimal() and len(said["firm"]) < 19):
            said["firm"] = ""
        return cls(**said)

    def __bool__(self) -> bool:
        return any((self.outcome, self.reason, self.firm, self.label))

    @property
    def query(self) -> str:
        """The filter as an address says it: ``outcome=failed&firm=3``."""
        said = {name: getattr(self, name) for name in self.__slots__}
        return urlencode({name: value for name, value in said.items() if value})

    def only(self, **changed: str) -> Self:
        return replace(self, **changed)

    def on(self, items: Items) -> Items:
        if self.outcome:
            items = items.filter(outcome=self.outcome)
        if self.reason:
            items = items.filter(reason=self.reason)
        if self.firm:
            items = items.filter(firm=int(self.firm))
        if self.label:
            items = items.filter(subject_label__istartswith=self.label)
        return items


@dataclass(frozen=True, slots=True)
class Page:
    items: list[JobRunItem]
    after: Cursor | None  # where the next page begins; nothing: this is the last
    searched: int = 0  # the page ends because so many have been looked through


def page_of(
    items: Items,
    wanted: Items,
    *,
    after: Cursor | None = None,
    size: int = SIZE,
    window: int = WINDOW,
) -> Page:
    """Return the next page of ``wanted``, which are ``items`` under some condition."""
    rest = after.rest_of(items) if after else items
    edge = rest.order_by("position").values_list("position", flat=True)[window : window + 1]
    last = next(iter(edge), None) if wanted is not items else None
    rows = after.rest_of(wanted) if after else wanted
    if last is not None:
        rows = rows.filter(position__lte=last)
    found = list(rows.order_by("position", "pk")[: size + 1])
    if len(found) > size:
        return Page(found[:size], Cursor.at(found[size - 1]))
    if last is not None:
        return Page(found, Cursor(last, 2**62), searched=window)
    return Page(found, None)


def walk(items: Items, *, size: int = 1_000) -> Iterator[JobRunItem]:
    """Yield all items in order, in flat memory and without an open cursor."""
    page = page_of(items, items, size=size)
    yield from page.items
    while page.after:
        page = page_of(items, items, after=page.after, size=size)
        yield from page.items


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters may offer, as the first items of the run have it."""

    reasons: list[str]
    firms: list[Firm]


def choices_of(items: Items) -> Choices:
    """Return the reasons and firms among the first items, without reading them all."""
    first = items.order_by("position").values("pk")[:SAMPLE]
    found = JobRunItem.objects.filter(pk__in=first).values_list(
        "reason", "firm_id", "firm__name"
    )
    rows = list(found.distinct())
    firms = {key: name for _, key, name in rows if key}
    return Choices(
        sorted({reason for reason, _, _ in rows if reason}),
        sorted((Firm(pk=key, name=name) for key, name in firms.items()), key=lambda f: f.name),
    )
