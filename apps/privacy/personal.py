"""What is held about people because of what they asked of their data."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Q, QuerySet

from apps.core.personal import Basis, Fate, Holding, People, Step, by_user
from apps.privacy.models import (
    DataExport,
    ErasureAction,
    ErasurePart,
    ErasureRequest,
    ErasureStep,
    RetentionRun,
    StatutoryPeriod,
)


def _requests(people: People) -> Q:
    return Q(user__in=people.users) | Q(contact__in=people.contacts)


def _of_requests(people: People) -> Q:
    return Q(request__user__in=people.users) | Q(request__contact__in=people.contacts)


def _files(exports: QuerySet[Any]) -> Iterator[Step]:
    """Yield what has to be done to the files of exports that are left: they are removed."""
    for key in exports.filter(removed_at=None).order_by("pk").values_list("pk", flat=True):
        yield Step("export_file", str(key))


HOLDINGS = (
    Holding(
        ErasurePart,
        category="privacy requests",
        of=_of_requests,
        exports=("done_at",),
        fate=Fate.ANONYMISE,
    ),
    Holding(
        ErasureAction,
        category="privacy requests",
        of=_of_requests,
        exports=("category", "decision", "rows", "retained_until", "reason"),
        fate=Fate.ANONYMISE,
    ),
    Holding(
        ErasureStep,
        category="privacy requests",
        of=_of_requests,
        fate=Fate.ANONYMISE,
        told=("problem",),
        plain=("kind", "key"),
    ),
    # The request stays, as the proof that it was carried out.
    Holding(
        ErasureRequest,
        category="privacy requests",
        of=_requests,
        exports=(
            *("law", "received_on", "extended", "due_on", "status", "verified_at"),
            *("verified_how", "approved_at", "closed_at", "reason"),
        ),
        fate=Fate.ANONYMISE,
        authors=("received_by", "verified_by", "approved_by"),
        told=("reason", "blocked_by"),
        plain=("covers",),
        secret=("marks",),
    ),
    Holding(
        DataExport,
        category="data exports",
        of=by_user("user"),
        basis=Basis.OBSERVED,
        exports=(
            *("law", "received_on", "extended", "due_on", "made_at", "size_bytes", "sha256"),
            *("categories", "records"),
        ),
        fate=Fate.ANONYMISE,
        authors=("made_by",),
        secret=("path",),
        outside=_files,
    ),
    Holding(RetentionRun),
    Holding(StatutoryPeriod, firm="", told=("source",), plain=("country", "reason")),
)
