"""What each app gives a new firm, gathered as ``urls.py`` gathers routes."""

from collections.abc import Callable

from apps.audit.services import event
from apps.billing.services import open_numbering
from apps.core.days import Clock
from apps.crm.services import open_pipeline
from apps.firms.models import Firm
from apps.firms.services.baseline import Step
from apps.notifications.services import welcome_owners
from apps.subscriptions.services import start_trial, tiers


def write_down(*, firm: Firm, clock: Clock) -> None:
    """Write down in the audit trail that a firm was made."""
    made = event("firm_provisioned", firm, changes={"slug": firm.slug, "tier": firm.tier})
    made.firm, made.occurred_at = firm, clock.now
    made.save(force_insert=True)


# In this order, in the transaction that makes the firm.
STEPS: tuple[Step, ...] = (
    open_numbering,
    open_pipeline,
    start_trial,
    write_down,
    welcome_owners,
)

# What a firm may subscribe to: the plans' codes.
TIERS: Callable[[], set[str]] = tiers
