"""The two sides of a comparison: what the gateway says of a payment, what our books say."""

from dataclasses import dataclass
from datetime import datetime

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.core.problems import Problem
from apps.firms.models import Firm
from apps.integrations.payments import Dispute, Intent, IntentStatus
from apps.integrations.payments.amounts import to_gateway


@dataclass(frozen=True, slots=True)
class Remote:
    """A payment as the gateway sees it, without what is too young to count."""

    intent: Intent
    refunded: int = 0  # has gone back for certain
    refunding: int = 0  # may have: pending, or too young
    disputes: tuple[Dispute, ...] = ()

    @property
    def is_disputed(self) -> bool:
        """Whether a bank is asking for the money now."""
        return any(dispute.is_open for dispute in self.disputes)

    @property
    def lost(self) -> int:
        """What disputes have taken."""
        return sum(dispute.amount for dispute in self.disputes if dispute.status == "lost")

    @property
    def is_all_lost(self) -> bool:
        """Whether disputes have taken all that had not gone back before."""
        return 0 < self.lost >= self.intent.received - self.refunded

    @property
    def kept(self) -> int:
        """What was received and neither given back nor lost."""
        if self.intent.status != IntentStatus.SUCCEEDED:
            return 0
        return max(0, self.intent.received - self.refunded - self.refunding - self.lost)


@dataclass(frozen=True, slots=True)
class Entry:
    """What our books say of a payment: all of it, some of it, or nothing."""

    payment: Payment | None = None
    refunded_minor: int = 0
    attempt: PaymentAttempt | None = None
    invoice: Invoice | None = None

    @property
    def is_empty(self) -> bool:
        return self.payment is None and self.attempt is None and self.invoice is None

    @property
    def status(self) -> str:
        """What our books call its state."""
        if self.payment is not None:
            return self.payment.get_status_display().lower()
        if self.invoice is not None:
            return self.invoice.get_status_display().lower()
        return "unknown"


@dataclass(frozen=True, slots=True)
class Side:
    """Whose books are compared: a firm's, and its account at the gateway."""

    firm: Firm
    livemode: bool
    now: datetime


def units(minor: int, currency: str) -> int | None:
    """Return an amount in the gateway's unit, or nothing where it cannot say it."""
    try:
        return to_gateway(minor, currency)
    except Problem:
        return None


def is_ours(intent: Intent, entry: Entry) -> bool:
    """Whether a payment was asked for here; a firm may use its account elsewhere too."""
    return not entry.is_empty or any(
        intent.named(what) is not None for what in ("firm", "invoice", "attempt")
    )
