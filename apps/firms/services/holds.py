"""What must be kept because of a dispute."""

from collections import defaultdict

from apps.core.personal import Holds
from apps.firms.models import LegalHold


def holds_of(firm_id: int) -> Holds:
    """Return the legal holds in force in a firm; one query."""
    keys: dict[str, set[int]] = defaultdict(set)
    in_force = LegalHold.objects.filter(firm=firm_id, released_at=None)
    for label, key in in_force.values_list("subject_type", "subject_id"):
        keys[label].add(key)
    return Holds(
        everything=bool(keys.pop(LegalHold.Subject.FIRM, None)),
        keys={label: frozenset(found) for label, found in keys.items()},
    )
