"""Write down what was done."""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from django.db.models import Model

from apps.audit.models import AuditEvent
from apps.core import bulk
from apps.firms.models import User


def event(
    action: str,
    about: Model,
    *,
    actor: User | None = None,
    changes: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Return an unsaved audit event about a row; without an actor the system did it.

    Save it in the transaction of the change itself, singly or with ``record_all``.
    """
    return AuditEvent(
        firm_id=getattr(about, "firm_id", None),
        actor=actor,
        actor_label=actor.get_username() if actor else "system",
        action=action,
        object_type=about._meta.label_lower,
        object_id=str(about.pk),
        changes=changes or {},
        reason=reason,
    )


def record(action: str, about: Model, **how: Any) -> None:
    """Write down one change, in the transaction that makes it."""
    event(action, about, **how).save(force_insert=True)


_COLUMNS = tuple(f for f in AuditEvent._meta.concrete_fields if not f.primary_key)
_read = attrgetter(*(field.attname for field in _COLUMNS))


def record_all(events: Iterable[AuditEvent]) -> None:
    """Write down many changes, in the transaction that makes them."""
    bulk.insert(AuditEvent, [field.name for field in _COLUMNS], map(_read, events))
