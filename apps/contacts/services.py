"""Who was erased, and must not be brought back by a machine (spec D8)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Q

from apps.contacts.models import Tombstone
from apps.core.hashes import keyed_hashes

__all__ = ["bury", "digests_of", "erased_at", "find_tombstones", "put_up_tombstones"]

_PURPOSE = "contacts.tombstone"


def bury(
    *,
    firm_id: int | None,
    former: Mapping[Tombstone.Kind, Iterable[str]],
    erased_at: datetime,
) -> None:
    """Remember what somebody was reached or known by, so that no import brings them back.

    In a firm, or without one everywhere. Only keyed hashes are written, and none twice; in
    the transaction of the erasure.
    """
    put_up_tombstones(
        firm_id=firm_id, digests=digests_of(firm_id=firm_id, former=former), at=erased_at
    )


def digests_of(
    *, firm_id: int | None, former: Mapping[Tombstone.Kind, Iterable[str]]
) -> list[tuple[str, str]]:
    """Return kind and digest of each tombstone for what somebody was reached or known by."""
    return sorted(
        {
            (str(kind), _digests(firm_id, kind, value)[0])
            for kind, values in former.items()
            for value in values
        }
    )


def put_up_tombstones(
    *, firm_id: int | None, digests: Iterable[tuple[str, str]], at: datetime
) -> None:
    """Write tombstones, none twice; whoever has only their digests can do it, too."""
    Tombstone.objects.bulk_create(
        [
            Tombstone(firm_id=firm_id, kind=kind, digest=digest, erased_at=at)
            for kind, digest in digests
        ],
        ignore_conflicts=True,
    )


def find_tombstones(
    *, firm_id: int | None, kind: Tombstone.Kind, values: Iterable[str]
) -> set[str]:
    """Return which of these addresses, numbers or directory ids were somebody's who was erased.

    In this firm, or everywhere. Whatever makes accounts or contacts without a person's hand
    (an import, a directory, a seed) asks this first, and leaves those out; one query.
    """
    return set(erased_at(firm_id=firm_id, kind=kind, values=values))


def erased_at(
    *, firm_id: int | None, kind: Tombstone.Kind, values: Iterable[str]
) -> dict[str, datetime]:
    """Return when those of these values were erased, last, that were somebody's who was.

    For whoever must not bring back what was there before, but takes in what came since.
    """
    digests = {
        digest: value
        for value in values
        for scope in {firm_id, None}
        for digest in _digests(scope, kind, value)
    }
    found = Tombstone.objects.filter(
        Q(firm=firm_id) | Q(firm=None), kind=kind, digest__in=digests
    )
    rows = found.order_by("erased_at").values_list("digest", "erased_at")
    return {digests[digest]: at for digest, at in rows}


def _digests(firm_id: int | None, kind: Tombstone.Kind, value: str) -> list[str]:
    """Return what stands for a value in one firm: under today's key, then under older ones."""
    return keyed_hashes(_PURPOSE, f"{firm_id or ''}:{kind}:{value.strip().lower()}")
