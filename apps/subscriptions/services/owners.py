"""Tell the owners of a subscriber, and the platform's operators."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.audit.models import AuditEvent
from apps.audit.services import event
from apps.core import money
from apps.firms.models import Role, User
from apps.firms.rights import in_charge
from apps.notifications.services import Draft, notify
from apps.notifications.types import NotificationType
from apps.subscriptions.messages import ALERT
from apps.subscriptions.models import PaymentOrder, Subscription


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell the owners of a subscription; the key names the fact."""

    type: NotificationType
    subscription: Subscription
    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def tell_owners(news: Sequence[News]) -> set[int]:
    """Tell the owners, in the transaction of what they are told about.

    Returns the subscriptions of which somebody was told something new.
    """
    if not news:
        return set()
    owners = in_charge({one.subscription.firm_id for one in news}, roles=(Role.OWNER,))
    planned = notify(
        [
            Draft(
                type=one.type,
                firm_id=one.subscription.firm_id,
                recipient=owner,
                dedupe_key=one.key,
                about=one.subscription,
                context={**_common(one.subscription), **one.facts},
            )
            for one in news
            for owner in owners.get(one.subscription.firm_id, ())
        ]
    )
    by_pk = {one.draft.about.pk for one in planned if one.draft.about}
    return {one.subscription.pk for one in news if one.subscription.pk in by_pk}


def alert(order: PaymentOrder, *, kind: str, what: str) -> None:
    """Tell the platform's operators, once, that an order needs a person."""
    action = f"payment_order_{kind}"
    about = {"object_type": order._meta.label_lower, "object_id": str(order.pk)}
    if AuditEvent.objects.filter(action=action, **about).exists():
        return
    record_of_platform(action, order, reason=what[:300])
    notify(
        [
            Draft(
                type=ALERT,
                firm_id=order.firm_id,
                recipient=operator,
                dedupe_key=f"payment-order:{order.pk}:{kind}",
                about=order,
                context={"reference": order.external_order_id, "what": what},
            )
            for operator in operators()
        ]
    )


def record_of_platform(action: str, order: PaymentOrder, **how: Any) -> None:
    """Write down what was done to an order, where only the platform's people see it.

    The event has no firm: what the platform earns is none of a firm's own records.
    """
    entry = event(action, order, **how)
    entry.firm_id = None
    entry.save(force_insert=True)


def operators() -> Iterable[User]:
    """Return the people who run the platform."""
    return User.objects.filter(is_superuser=True, is_active=True).order_by("pk")


def _common(subscription: Subscription) -> dict[str, str]:
    return {
        "firm": subscription.firm.name,
        "plan": subscription.plan.name,
        "price": money.write_grouped(subscription.plan.price),
        "expires_on": str(subscription.expires_on or ""),
    }
