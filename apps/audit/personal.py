"""What the audit trail holds about people."""

from django.db.models import Q

from apps.audit.models import AuditEvent
from apps.core.personal import NOTHING, Basis, Fate, Holding, Holds, by_user


def _about_what_is_held(holds: Holds) -> Q:
    held = NOTHING
    for label, keys in holds.keys.items():
        held |= Q(object_type=label, object_id__in=[str(key) for key in keys])
    return held


HOLDINGS = (
    # Not exported: what staff did to others speaks of the others.
    Holding(
        AuditEvent,
        category="audit trail",
        of=by_user("actor"),
        basis=Basis.OBSERVED,
        fate=Fate.ANONYMISE,
        becomes={"actor": None, "actor_label": "erased"},
        held=_about_what_is_held,
        told=("changes", "reason"),
        plain=("action", "object_type", "object_id"),
    ),
)
