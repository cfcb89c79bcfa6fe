"""The first message of a new firm."""

from apps.core.days import Clock
from apps.firms.models import Firm, Role
from apps.firms.rights import in_charge
from apps.notifications.messages import FIRM_PROVISIONED
from apps.notifications.services.outbox import Draft, Planned, notify


def welcome_owners(*, firm: Firm, clock: Clock) -> list[Planned]:
    """Welcome the owners of a new firm and tell them where they sign in."""
    owners = in_charge([firm.pk], roles=[Role.OWNER]).get(firm.pk, [])
    return notify(
        [
            Draft(
                type=FIRM_PROVISIONED,
                firm_id=firm.pk,
                recipient=owner,
                dedupe_key=f"firm-provisioned:{firm.pk}",
                about=firm,
            )
            for owner in owners
        ]
    )
