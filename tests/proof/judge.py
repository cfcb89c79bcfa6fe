"""The judge: what the providers' own log says, against what the ledger says."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count

from apps.billing.models import Invoice, Payment, PaymentAttempt
from apps.billing.services import find_inconsistencies
from apps.discrepancies.models import Discrepancy
from apps.subscriptions.models import PaymentOrder
from sandbox.log import Effect
from tests.proof.world import Debt, World

FINAL = {
    PaymentAttempt.Status.SUCCEEDED,
    PaymentAttempt.Status.DECLINED,
    PaymentAttempt.Status.REQUIRES_ACTION,  # the customer's turn
    PaymentAttempt.Status.TRANSIENT_ERROR,  # it never happened
}
ENDED = {PaymentOrder.Status.COMPLETED, PaymentOrder.Status.FAILED}


@dataclass
class Verdict:
    """Everything that is wrong, in sentences; ``charges`` is how often money moved."""

    charges: int = 0
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    crooked: list[str] = field(default_factory=list)

    @property
    def complaints(self) -> list[str]:
        return [
            f"{kind}: {what}"
            for kind in ("doubled", "lost", "invented", "unfinished", "crooked")
            for what in getattr(self, kind)
        ]


def judge(world: World) -> Verdict:
    """Compare every movement of money with the ledger, in both directions."""
    effects = [effect for effect in world.sandbox.core.log.effects if effect.kind == "charge"]
    verdict = Verdict(charges=len(effects))
    _shop(world, [one for one in effects if one.vendor == "stripe"], verdict)
    _platform(world, [one for one in effects if one.vendor == "bog"], verdict)
    verdict.crooked += find_inconsistencies()
    verdict.crooked += [str(one) for one in Discrepancy.objects.filter(status="open")]
    return verdict


# ---- invoices, at Stripe --------------------------------------------------------------------


def _shop(world: World, effects: list[Effect], verdict: Verdict) -> None:
    by_invoice = defaultdict(list)
    for effect in effects:
        by_invoice[effect.metadata.get("invoice", "")].append(effect)
    for debt in world.debts:
        if debt.invoice:
            _invoice(debt, by_invoice.pop(str(debt.invoice.pk), []), verdict)
    verdict.crooked += [f"Nobody owed {key}, and it was charged." for key in by_invoice]
    booked = Counter(
        Payment.objects.filter(status="succeeded").values_list("gateway_ref", flat=True)
    )
    moved = Counter(effect.id for effect in effects)
    verdict.lost += [f"{reference} is not in the books." for reference in moved - booked]
    verdict.invented += [f"{reference} never moved." for reference in booked - moved]
    verdict.unfinished += [
        f"{attempt} is {attempt.status}."
        for attempt in PaymentAttempt.objects.exclude(status__in=FINAL).select_related(
            "invoice"
        )
    ]
    untouched = Invoice.objects.filter(pk=world.untouched.pk).annotate(asked=Count("attempts"))
    if untouched.values_list("paid_minor", "asked").get() != (0, 0):
        verdict.crooked.append("The neighbour was touched.")


def _invoice(debt: Debt, effects: list[Effect], verdict: Verdict) -> None:
    assert debt.invoice
    row = Invoice.objects.get(pk=debt.invoice.pk)
    took = sum(effect.amount for effect in effects)
    if len(effects) > 1:
        verdict.doubled.append(f"{row} was charged {len(effects)} times.")
    elif took not in {0, row.total_minor}:
        verdict.crooked.append(f"{row} is over {row.total_minor}, and {took} were charged.")
    if debt.pays and not effects:
        verdict.lost.append(f"{row} was never charged; autopay is {row.autopay_status}.")
    if not debt.pays and effects:
        verdict.crooked.append(f"{row} was charged although its card cannot be.")
    if row.paid_minor != min(took, row.total_minor):
        verdict.crooked.append(f"{row}: {took} were charged, the books have {row.paid_minor}.")
    named = {int(effect.metadata["attempt"]) for effect in effects}
    attempts = PaymentAttempt.objects.filter(invoice=row, status="succeeded")
    if named != set(attempts.values_list("pk", flat=True)):
        verdict.crooked.append(f"{row}: other attempts succeeded than those that took money.")


# ---- cycles, at the bank --------------------------------------------------------------------


def _platform(world: World, effects: list[Effect], verdict: Verdict) -> None:
    orders = {
        order.external_order_id: order
        for order in PaymentOrder.objects.filter(kind="renewal").select_related("subscription")
    }
    moved = Counter(effect.metadata["external_id"] for effect in effects)
    cycles: Counter[tuple[int, object]] = Counter()
    for name, times in moved.items():
        order = orders.get(name)
        if order is None:
            verdict.lost.append(f"Order {name} took money, and nobody knows of it.")
            continue
        cycles[order.subscription_id, order.cycle_expires_on] += times
        if order.status != PaymentOrder.Status.COMPLETED:
            verdict.lost.append(f"{order} took money and is {order.status}.")
    for (subscription, expiry), times in cycles.items():
        if times > 1:
            verdict.doubled.append(
                f"Subscription {subscription} was charged {times} times for {expiry}."
            )
    for name, order in orders.items():
        if order.status not in ENDED:
            verdict.unfinished.append(f"{order} is {order.status}.")
        if order.status == PaymentOrder.Status.COMPLETED and name not in moved:
            verdict.invented.append(f"{order} is completed, and no money has moved.")
    wrong = [e for e in effects if (e.amount, e.currency) != ("59.00", "GEL")]
    verdict.crooked += [f"{effect.id} took {effect.amount}." for effect in wrong]
    for debt in world.debts:
        if debt.subscription:
            _subscription(debt, cycles, verdict)


def _subscription(debt: Debt, cycles: Counter[tuple[int, object]], verdict: Verdict) -> None:
    assert debt.subscription
    assert debt.expiry
    row = debt.subscription
    row.refresh_from_db()
    if debt.pays and not cycles[row.pk, debt.expiry]:
        verdict.lost.append(f"Subscription {row.pk} was never charged for {debt.expiry}.")
    paid = row.orders.filter(kind="renewal", status=PaymentOrder.Status.COMPLETED)
    due = debt.expiry + sum((timedelta(days=order.days) for order in paid), timedelta())
    if row.expires_on != due:
        verdict.crooked.append(
            f"Subscription {row.pk} lasts until {row.expires_on}, paid is {due}."
        )
