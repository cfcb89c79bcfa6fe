"""Renewals: charge saved cards shortly before a subscription expires (spec D32)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from uuid import uuid4

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, TextChoices

from apps.core import batches, days, money
from apps.core.days import Clock
from apps.core.reports import Item, Report, Subject, block
from apps.firms.services import find_firm, why_not_served
from apps.integrations.cards import BadCredentials
from apps.subscriptions.codes import NEEDS_OWNER, Remedy, meaning
from apps.subscriptions.messages import CARD_NEEDED, PRICE_CHANGED, days_in_words
from apps.subscriptions.models import PaymentOrder, Subscription, SubscriptionQuerySet
from apps.subscriptions.services import standing
from apps.subscriptions.services.bank import Bank
from apps.subscriptions.services.cards import failed_this_cycle, fits, saved_cards
from apps.subscriptions.services.owners import News, tell_owners
from apps.subscriptions.services.receipts import ATTEMPTS
from apps.subscriptions.services.resolving import accept, resolve, unresolved, write_each
from apps.subscriptions.services.scope import by_day, subject_of

BETWEEN_ATTEMPTS = timedelta(hours=24)
MANUAL_IS_WAITED_FOR = timedelta(hours=1)
FOUND, SUBMITTED, SKIPPED = "found", "submitted", "skipped"  # tallies

Kind, Status = PaymentOrder.Kind, PaymentOrder.Status


class RenewalReason(TextChoices):
    """Why a subscription that expires is not charged."""

    NO_CARD = "no_card", "no saved card"
    PRICE_CHANGED = "price_changed", "price changed; customer must re-authorise the card"
    PAYING = "paying", "the customer is paying at the bank just now"
    MEANWHILE = "meanwhile", "another run or a payment was first"


@dataclass(slots=True)
class Renewal:
    """A subscription that is about to expire, and the order that renews it."""

    subscription: Subscription
    order: PaymentOrder | None = None

    @property
    def subject(self) -> Subject:
        return subject_of(self.subscription, part=str(self.subscription.expires_on))


def process_recurring_payments(
    *,
    days_before: int = 3,
    firm_id: int | None = None,
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Charge saved cards for subscriptions that expire soon.

    Takes served subscriptions that expire within ``days_before`` days or are in grace, by the
    subscriber's own date. An expiry is charged once (one live order for each), at most four
    times when the bank says no, and not within 24 hours of the last try. The order is written
    down before the bank is asked; whatever an earlier run left open is found out first. That
    the bank accepts a charge is not a payment: the subscription is extended when its callback
    or the receipt says so. Owners are told when a card is missing or the price has changed.
    """
    days.zero_or_more("--days-before", days_before)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    firm = find_firm(firm_id) if firm_id is not None else None
    report = Report(dry_run=dry_run, heading=_heading(days_before), summary=_summary)
    left_out = why_not_served(firm) if firm is not None else ""
    if left_out:
        report.says(left_out)
    orders, subscriptions = unresolved(clock=clock), Subscription.objects.renewing()
    if firm is not None:
        orders, subscriptions = orders.filter(firm=firm), subscriptions.filter(firm=firm)
    with Bank() as bank:
        resolve(report, orders, bank=bank, clock=clock)
        for theirs, today in by_day(report, subscriptions, clock):
            due = due_for_renewal(theirs, today=today, days_before=days_before, clock=clock)
            report.expect(due.count())
            report.attempt_each(
                _found(report, due, bank),
                partial(_order_all, clock=clock),
                subject=lambda renewal: renewal.subject,
                size=settings.CHARGES_AT_ONCE,
                then=partial(_charge_all, bank=bank, clock=clock),
            )
    return report


# ---- which ----------------------------------------------------------------------------------


def due_for_renewal(
    subscriptions: SubscriptionQuerySet, *, today: date, days_before: int, clock: Clock
) -> SubscriptionQuerySet:
    """Return the subscriptions whose expiry is near and may be charged now."""
    renewals = PaymentOrder.objects.filter(
        subscription=OuterRef("pk"),
        kind=Kind.RENEWAL,
        cycle_expires_on=OuterRef("expires_on"),
    )
    in_the_way = (
        ~Q(status=Status.FAILED)
        | Q(requested_at__gt=clock.now - BETWEEN_ATTEMPTS)
        | Q(failure_code__in=NEEDS_OWNER)
    )
    failed = Count(
        "orders",
        filter=Q(
            orders__kind=Kind.RENEWAL,
            orders__status=Status.FAILED,
            orders__cycle_expires_on=F("expires_on"),
        ),
    )
    grace = timedelta(days=settings.SUBSCRIPTION_GRACE_DAYS)
    return (
        subscriptions.filter(
            ~Exists(renewals.filter(in_the_way)),
            expires_on__gt=today - grace,
            expires_on__lte=today + timedelta(days=days_before),
        )
        .alias(failed=failed)
        .filter(failed__lt=ATTEMPTS)
    )


def why_not_renewed(subscription: Subscription) -> str:
    """Say why a subscription that is due is not charged, or nothing. One query."""
    card = saved_cards([subscription.pk]).get(subscription.pk)
    if card is None:
        return str(RenewalReason.NO_CARD.label)
    return "" if fits(card, subscription) else str(RenewalReason.PRICE_CHANGED.label)


def _found(report: Report, due: SubscriptionQuerySet, bank: Bank) -> Iterator[Renewal]:
    for subscription in batches.by_key(due.select_related("firm", "plan")):
        if bank.locked_out:
            return
        report.tallies[FOUND] += 1
        yield Renewal(subscription)


# ---- step one: the intent, in one transaction -----------------------------------------------


def _order_all(items: Sequence[Item[Renewal]], *, clock: Clock) -> None:
    """Write down whom the bank is to be asked to charge; tell owners what keeps us from it."""
    rows = standing.lock(item.thing.subscription.pk for item in items)
    open_ = _open_orders(rows.values(), clock)
    cards, failed = saved_cards(rows), failed_this_cycle(rows.values())
    news, orders = [], []
    for item in items:
        renewal, item.thing.order = item.thing, None
        row = rows.get(renewal.subscription.pk)
        if row is None or _has_changed(renewal.subscription, row):
            item.skip(RenewalReason.MEANWHILE)
        elif row.pk in open_:
            reason = open_[row.pk]
            item.skip(reason, f"{item.subject.label}: {reason.label}")
        elif (card := cards.get(row.pk)) is None:
            _leave(item, RenewalReason.NO_CARD, bullet="-")
            if not _knows_of_card(failed.get(row.pk, ())):
                news.append(News(CARD_NEEDED, row, f"card-needed:{row.pk}:{row.expires_on}"))
        elif not fits(card, row):
            _leave(item, RenewalReason.PRICE_CHANGED, bullet="⚠")
            key = f"price-changed:{row.pk}:{row.expires_on}:{row.plan.price_minor}"
            before = {"before": money.write_grouped(card.amount)}
            news.append(News(PRICE_CHANGED, row, key, before))
        else:
            attempt = len(failed.get(row.pk, ())) + 1
            renewal.order = _new_order(row, card, attempt=attempt, clock=clock)
            orders.append(renewal.order)
            amount, slug = money.write(row.plan.price), item.subject.label
            item.does("charge", row.plan.price, tally=SUBMITTED)
            item.says(
                f"{slug}: charge of {amount} submitted", would=f"Would charge {slug}: {amount}"
            )
    PaymentOrder.objects.bulk_create(orders)
    tell_owners(news)


def _open_orders(rows: Iterable[Subscription], clock: Clock) -> dict[int, RenewalReason]:
    """Return what is under way for these subscriptions since they were selected.

    A page at the bank that its owner has open is waited for, or they would pay twice. An
    order of an earlier cycle that waits for a person's decision is in nobody's way.
    """
    found = PaymentOrder.objects.filter(
        Q(status__in=(Status.CREATED, Status.PENDING))
        | Q(status=Status.UNKNOWN, cycle_expires_on=F("subscription__expires_on")),
        subscription__in=[row.pk for row in rows],
    ).values_list("subscription_id", "kind", "requested_at")
    reasons = {}
    for subscription_id, kind, requested_at in found:
        if kind == Kind.RENEWAL:
            reasons[subscription_id] = RenewalReason.MEANWHILE
        elif requested_at > clock.now - MANUAL_IS_WAITED_FOR:
            reasons.setdefault(subscription_id, RenewalReason.PAYING)
    return reasons


def _has_changed(before: Subscription, now: Subscription) -> bool:
    return (
        now.expires_on != before.expires_on
        or now.status not in Subscription.SERVED
        or now.cancel_at_period_end
    )


def _knows_of_card(codes: Iterable[str]) -> bool:
    """Whether the owners were asked for a new card when this cycle's charge failed."""
    return any(meaning(code).remedy == Remedy.NEW_CARD for code in codes)


def _leave(item: Item[Renewal], reason: RenewalReason, *, bullet: str) -> None:
    item.does("tell the owners")
    item.decline(reason, f"{item.subject.label}: {reason.label}")
    item.bullet, item.tallies = bullet, [SKIPPED]


def _new_order(
    subscription: Subscription, card: PaymentOrder, *, attempt: int, clock: Clock
) -> PaymentOrder:
    return PaymentOrder(
        firm_id=subscription.firm_id,
        subscription=subscription,
        kind=Kind.RENEWAL,
        external_order_id=f"renewal-{uuid4()}",
        parent_order=card,
        amount_minor=subscription.plan.price_minor,
        currency=subscription.plan.currency,
        days=subscription.plan.period_count,
        cycle_expires_on=subscription.expires_on,
        attempt_no=attempt,
        idempotency_key=uuid4(),
        requested_at=clock.now,
    )


# ---- steps two and three: the call, and its answer ------------------------------------------


def _charge_all(items: Sequence[Item[Renewal]], *, bank: Bank, clock: Clock) -> None:
    """Ask the bank for the charges that were written down, several at once."""
    asked = [item for item in items if item.thing.order is not None]
    orders = [item.thing.order for item in asked if item.thing.order is not None]
    answers = bank.charge(orders)
    write_each(asked, orders, answers, _submitted, clock=clock)
    _forget(
        order
        for order, answer in zip(orders, answers, strict=True)
        if isinstance(answer, BadCredentials)
    )


def _submitted(item: Item[Renewal], order: PaymentOrder, bog_id: str) -> None:
    accept(order, bog_id)
    amount, slug = money.write(order.amount), item.subject.label
    item.says(f"{slug}: charge of {amount} submitted (order {bog_id[:4]}…)")


def _forget(orders: Iterable[PaymentOrder]) -> None:
    """Remove orders that the bank did not even hear: without credentials it did nothing."""
    pks = [order.pk for order in orders]
    PaymentOrder.objects.filter(pk__in=pks, status=Status.CREATED, bog_order_id="").delete()


def _heading(days_before: int) -> str:
    return (
        "Processing recurring payments "
        f"(subscriptions expiring within {days_in_words(days_before)})..."
    )


def _summary(report: Report) -> list[str]:
    submitted = report.worded("Charges submitted", would="Charges that would be submitted")
    return block(
        ("Subscriptions found", report.tallies[FOUND]),
        (submitted, report.tallies[SUBMITTED]),
        ("Skipped", report.tallies[SKIPPED] + report.skipped),
        ("Errors", report.failed),
    )
