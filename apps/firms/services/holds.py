"""What must be kept because of a dispute."""

from collections import defaultdict

from apps.core.personal import Holds, alongside
from apps.firms.models import LegalHold


def holds_of(firm_id: int) -> Holds:
    """Return what is held in a firm, by itself or along with something else.

    One query for the holds in force; the apps above look up what hangs on them.
    """
    keys: dict[str, set[int]] = defaultdict(set)
    in_force = LegalHold.objects.filter(firm=firm_id, released_at=None)
    for label, key in in_force.values_list("subject_type", "subject_id"):
        keys[label].add(key)
    holds = Holds(
        everything=bool(keys.pop(LegalHold.Subject.FIRM, None)),
        keys={label: frozenset(found) for label, found in keys.items()},
    )
    for with_what_hangs_on_it in alongside():
        holds = with_what_hangs_on_it(holds)
    return holds
