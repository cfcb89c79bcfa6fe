"""Write down what was done."""

from typing import Any

from django.db.models import Model

from apps.audit.models import AuditEvent
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

    Save it in the transaction of the change itself, singly or with ``bulk_create``.
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
