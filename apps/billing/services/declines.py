"""What a bank's no means: whether, and when, the card is asked again (spec D2, C-6)."""

from datetime import datetime, timedelta

from django.db.models import TextChoices

from apps.billing.models import PaymentAttempt
from apps.core import days
from apps.integrations.payments import Decline

FailureClass = PaymentAttempt.FailureClass

# Days from a failed attempt to the next one; after the last of them nothing is tried.
RETRY_DAYS = (3, 7, 14)

# https://docs.stripe.com/declines/codes: a retry of these is refused or counts against us.
HARD = frozenset(
    {
        "expired_card", "highest_risk_level", "incorrect_number", "lost_card", "pickup_card",
        "revocation_of_all_authorizations", "revocation_of_authorization", "stolen_card",
        "transaction_not_allowed",
    }
)  # fmt: skip
DO_NOT_TRY_AGAIN = "do_not_try_again"
AUTHENTICATION = frozenset({"authentication_required", "authentication_not_handled"})


class DeclineReason(TextChoices):
    """Why a charge brought nothing; what the record counts."""

    SOFT = FailureClass.SOFT.value, "card declined; it is tried again"
    LAST = "last", "card declined; no retries left"
    HARD = FailureClass.HARD.value, "card cannot be retried"
    AUTHENTICATION = FailureClass.AUTHENTICATION.value, "customer authentication required"


def classify(decline: Decline) -> FailureClass:
    """Return the class of a decline; a code that nobody knows may be tried again."""
    if decline.code in AUTHENTICATION:
        return FailureClass.AUTHENTICATION
    if decline.code in HARD or decline.advice == DO_NOT_TRY_AGAIN:
        return FailureClass.HARD
    return FailureClass.SOFT


def next_attempt_at(*, failures: int, failed_at: datetime, zone_name: str) -> datetime | None:
    """Return when to try again after so many failures, None when there are no retries left.

    The same local wall-clock time 3, 7 and 14 days after the failed attempt. Seconds are cut
    off, or an hourly run would come some seconds too early and the hour would creep.
    """
    if failures > len(RETRY_DAYS):
        return None
    local = failed_at.astimezone(days.zone(zone_name))
    day = local.date() + timedelta(days=RETRY_DAYS[failures - 1])
    wall = local.time().replace(second=0, microsecond=0)
    return days.local_instant(day, wall, zone_name)


def ending(failure: FailureClass, *, failures: int) -> str:
    """Return what follows from a failed charge, as the command prints it in brackets."""
    if failure == FailureClass.HARD:
        return "card cannot be retried; customer must update payment method"
    if failure == FailureClass.AUTHENTICATION:
        return "customer authentication required"
    if failures > len(RETRY_DAYS):
        return "no retries left; manual intervention required"
    return f"will retry in {RETRY_DAYS[failures - 1]} days"
