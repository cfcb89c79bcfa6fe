"""Reminders, grace and suspension, by the subscriber's own date (spec D33)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from functools import partial

from django.conf import settings
from django.db.models import Q, TextChoices

from apps.core import batches, days
from apps.core.days import Clock
from apps.core.reports import Item, Report, Subject, block
from apps.firms.models import Firm
from apps.firms.services import find_firm, find_tenant
from apps.notifications.models import Notification
from apps.notifications.types import NotificationType
from apps.subscriptions import messages
from apps.subscriptions.messages import days_in_words
from apps.subscriptions.models import PaymentOrder, Subscription, SubscriptionQuerySet
from apps.subscriptions.services import standing
from apps.subscriptions.services.bank import Bank
from apps.subscriptions.services.cards import failed_this_cycle, fits, saved_cards
from apps.subscriptions.services.owners import News, tell_owners
from apps.subscriptions.services.receipts import ANSWER_WITHIN, written_card
from apps.subscriptions.services.resolving import resolve
from apps.subscriptions.services.scope import by_day, subject_of

REMIND_AT = 7  # days left
URGE_AT = 3

Status = Subscription.Status


class Step(StrEnum):
    """What a subscription has come to; also the tally of the summary."""

    REMINDER = "reminder"
    URGENT = "urgent"
    GRACE = "grace"
    SUSPEND = "suspend"
    CANCEL = "cancel"


TELLS: dict[Step, NotificationType] = {
    Step.REMINDER: messages.REMINDER,
    Step.URGENT: messages.URGENT,
    Step.GRACE: messages.GRACE,
    Step.SUSPEND: messages.SUSPENDED,
    Step.CANCEL: messages.ENDED,
}
ENDS = (Step.SUSPEND, Step.CANCEL)


class StatusReason(TextChoices):
    """Why a step that is reached is not taken."""

    PAYMENT_UNDER_WAY = "payment_under_way", "a payment is under way at the bank"
    NOT_ANSWERED = "not_answered", "the bank could not be asked about a payment"
    NOBODY = "nobody", "no owner can be told"
    MEANWHILE = "meanwhile", "another run or a payment was first"


@dataclass(frozen=True, slots=True)
class Reached:
    """A subscription and the step that it has reached today."""

    subscription: Subscription
    step: Step
    today: date
    grace_days: int

    @property
    def left(self) -> int:
        """Days until the first that is not paid for; negative when overdue."""
        return self.subscription.days_left(self.today) or 0

    @property
    def key(self) -> str:
        """The name of the fact: the milestone of an expiry, and for daily warnings the day."""
        fact = f"{self.step}:{self.subscription.pk}:{self.subscription.expires_on}"
        return f"{fact}:{self.today}" if self.step == Step.GRACE else fact

    @property
    def subject(self) -> Subject:
        return subject_of(self.subscription, part=f"{self.step} {self.today}")


def check_subscription_status(
    *,
    grace_days: int | None = None,
    tenant: str | None = None,
    firm_id: int | None = None,
    dry_run: bool = False,
    as_of: str = "",
) -> Report:
    """Remind owners of an expiring subscription, warn during grace, then suspend.

    By the subscriber's own date: a reminder from 7 days before the first day that is not paid
    for, an urgent one from 3, each once per expiry; from that day on a warning every day while
    the account stays active; after ``grace_days`` it is suspended. Before that the bank is
    asked about open payments, and one under way for less than 48 hours is waited for. Missed
    days are caught up with the actual number, never with several messages. A subscription that
    was cancelled ends on the day it is not paid for any more, without demands.
    """
    grace = settings.SUBSCRIPTION_GRACE_DAYS if grace_days is None else grace_days
    days.zero_or_more("--grace-days", grace)
    clock = Clock.read(as_of=as_of, dry_run=dry_run)
    subscriptions = _asked(tenant=tenant, firm_id=firm_id)
    heading = f"Checking subscription status (grace period: {days_in_words(grace)})..."
    report = Report(dry_run=dry_run, heading=heading, summary=_summary)
    for theirs, today in by_day(report, subscriptions, clock):
        near = near_expiry(theirs, today=today)
        _ask_about_payments(report, near, today=today, grace=grace, clock=clock)
        report.expect(near.count())
        report.attempt_each(
            _untold(near, today=today, grace=grace),
            partial(_take_steps, clock=clock),
            subject=lambda reached: reached.subject,
        )
    return report


def step_of(subscription: Subscription, *, today: date, grace: int) -> Step | None:
    """Return what a served subscription has come to on a day, if anything."""
    left = subscription.days_left(today)
    if left is None:
        return None
    if subscription.cancel_at_period_end:
        return Step.CANCEL if left <= 0 else None
    if left <= 0:
        return Step.GRACE if -left < grace else Step.SUSPEND
    if left <= URGE_AT:
        return Step.URGENT
    return Step.REMINDER if left <= REMIND_AT else None


def tell(reached: Sequence[Reached]) -> set[int]:
    """Tell the owners what their subscriptions have come to; returns whose were told."""
    rows = [one.subscription for one in reached]
    cards, failed = saved_cards(row.pk for row in rows), failed_this_cycle(rows)
    news = []
    for one in reached:
        row = one.subscription
        card = cards.get(row.pk)
        healthy = card is not None and fits(card, row) and row.pk not in failed
        facts = {
            "days": one.left if one.left > 0 else one.grace_days + one.left,
            "card": written_card(card.card_mask) or "card" if card and healthy else "",
            "on": str(one.today),
        }
        news.append(News(TELLS[one.step], row, one.key, facts))
    return tell_owners(news)


# ---- which ----------------------------------------------------------------------------------


def _asked(*, tenant: str | None, firm_id: int | None) -> SubscriptionQuerySet:
    """Return the subscriptions that the options select; a closed firm is left in peace."""
    found = checked()
    if firm_id is not None:
        found = found.filter(firm=find_firm(firm_id))
    return found if tenant is None else found.filter(firm=find_tenant(tenant))


def checked() -> SubscriptionQuerySet:
    """Return the subscriptions that end, of firms that are not closed."""
    found = Subscription.objects.served().filter(expires_on__isnull=False)
    return found.exclude(firm__status=Firm.Status.CLOSED)


def near_expiry(subscriptions: SubscriptionQuerySet, *, today: date) -> SubscriptionQuerySet:
    """Return those that expire soon enough to say so, or have."""
    return subscriptions.filter(expires_on__lte=today + timedelta(days=REMIND_AT))


def why_no_step(subscription: Subscription, *, today: date, grace: int) -> str:
    """Say why a subscription that expires soon takes no step on a day, or nothing."""
    step = step_of(subscription, today=today, grace=grace)
    if step is None:
        return f"it was cancelled and ends on {subscription.expires_on}"
    reached = Reached(subscription, step, today, grace)
    if step not in ENDS and reached.key in _told([reached]):
        return f"its owners have been told of this step ({step})"
    return ""


def _ask_about_payments(
    report: Report, near: SubscriptionQuerySet, *, today: date, grace: int, clock: Clock
) -> None:
    """Find out about the open orders of whoever would be suspended now."""
    unpaid = Q(expires_on__lte=today - timedelta(days=grace))
    ending = near.filter(unpaid | Q(cancel_at_period_end=True, expires_on__lte=today))
    orders = PaymentOrder.objects.filter(
        subscription__in=ending.values("pk"), status__in=PaymentOrder.OPEN
    ).exclude(bog_order_id="")
    with Bank() as bank:
        resolve(report, orders, bank=bank, clock=clock)


def _untold(near: SubscriptionQuerySet, *, today: date, grace: int) -> Iterator[Reached]:
    """Yield the subscriptions at a step that has not been taken, or not told."""
    for page in batches.batched(batches.by_key(near.select_related("firm", "plan"))):
        reached = [
            Reached(row, step, today, grace)
            for row in page
            if (step := step_of(row, today=today, grace=grace))
        ]
        told = _told(reached)
        for one in reached:
            grace_begins = one.step == Step.GRACE and one.subscription.status != Status.GRACE
            if one.key not in told or one.step in ENDS or grace_begins:
                yield one


def _told(reached: Sequence[Reached]) -> set[str]:
    """Return the keys of these steps that somebody has heard of."""
    return set(
        Notification.objects.filter(
            subject_type=Subscription._meta.label_lower,
            subject_id__in=[str(one.subscription.pk) for one in reached],
            dedupe_key__in=[one.key for one in reached],
        ).values_list("dedupe_key", flat=True)
    )


# ---- what is done ---------------------------------------------------------------------------


def _take_steps(items: Sequence[Item[Reached]], *, clock: Clock) -> None:
    """Take the steps of a batch: what changes, who is told, what the run says."""
    rows = standing.lock(item.thing.subscription.pk for item in items)
    told_before = _told([item.thing for item in items])
    waiting = _payments_under_way(rows, clock)
    todo: list[tuple[Item[Reached], Reached]] = []
    for item in items:
        one = _as_it_stands(item.thing, rows)
        if one is None or (one.key in told_before and _only_tells(one)):
            item.skip(StatusReason.MEANWHILE)
        elif one.step in ENDS and (reason := waiting.get(one.subscription.pk)):
            item.skip(reason, f"{item.subject.label}: {_overdue(one)} - {reason.label}")
        else:
            todo.append((item, one))
    steps = [one for _, one in todo]
    _change(steps, clock)
    calm = [one for one in steps if one.step == Step.GRACE and one.subscription.pk in waiting]
    told = tell([one for one in steps if one not in calm])
    for item, one in todo:
        if one in calm:
            item.does("wait for a payment")
            words = StatusReason.PAYMENT_UNDER_WAY.label
            item.says(f"{item.subject.label}: {_overdue(one)} - {words}", bullet="-")
        else:
            _say(item, one, told=one.subscription.pk in told or one.key in told_before)


def _as_it_stands(reached: Reached, rows: Mapping[int, Subscription]) -> Reached | None:
    """Return a step for the locked row, or nothing when it is not the step any more."""
    row = rows.get(reached.subscription.pk)
    if row is None or row.status not in Subscription.SERVED:
        return None
    same = row.expires_on == reached.subscription.expires_on
    step = step_of(row, today=reached.today, grace=reached.grace_days)
    return replace(reached, subscription=row) if same and step == reached.step else None


def _only_tells(one: Reached) -> bool:
    """Whether a step changes nothing but what owners know."""
    begins = one.step == Step.GRACE and one.subscription.status != Status.GRACE
    return one.step not in ENDS and not begins


def _payments_under_way(
    rows: Mapping[int, Subscription], clock: Clock
) -> dict[int, StatusReason]:
    """Return the subscriptions whose suspension has to wait for the bank.

    An order that the bank has left open for 48 hours is held for a person when its receipt is
    read. One that is as old and not held could not be asked about: then nobody is suspended.
    """
    orders = PaymentOrder.objects.filter(subscription__in=rows, status__in=PaymentOrder.OPEN)
    never_shown = Q(bog_order_id="") & ~Q(kind=PaymentOrder.Kind.RENEWAL)
    reasons = {}
    for pk, status, requested_at in orders.exclude(never_shown).values_list(
        "subscription_id", "status", "requested_at"
    ):
        if clock.now - requested_at < ANSWER_WITHIN:
            reasons[pk] = StatusReason.PAYMENT_UNDER_WAY
        elif status != PaymentOrder.Status.UNKNOWN:
            reasons.setdefault(pk, StatusReason.NOT_ANSWERED)
    return reasons


def _change(steps: Sequence[Reached], clock: Clock) -> None:
    def rows(*wanted: Step) -> list[Subscription]:
        return [one.subscription for one in steps if one.step in wanted]

    standing.begin_grace(rows(Step.GRACE), clock=clock)
    standing.suspend_all(
        rows(Step.SUSPEND), status=Status.SUSPENDED, reason=standing.UNPAID, clock=clock
    )
    standing.suspend_all(
        rows(Step.CANCEL), status=Status.CANCELLED, reason=standing.CANCELLED, clock=clock
    )


# ---- what is said ---------------------------------------------------------------------------


def _say(item: Item[Reached], one: Reached, *, told: bool) -> None:
    slug, left = item.subject.label, days_in_words(one.left)
    item.does(one.step, tally=one.step)
    match one.step:
        case Step.REMINDER:
            words, bullet = f"expires in {left}", ""
            item.says(f"{slug}: {words} - reminder sent", would=f"Would remind {slug}: {words}")
        case Step.URGENT:
            words, bullet = f"expires in {left}", ""
            item.says(
                f"{slug}: {words} - urgent reminder sent",
                would=f"Would urgently remind {slug}: {words}",
            )
        case Step.GRACE:
            until = days_in_words(one.grace_days + one.left)
            words, bullet = f"{_overdue(one)} - {until} until suspension", "⚠"
            item.says(f"{slug}: {words}", would=f"Would warn {slug}: {words}")
        case Step.SUSPEND:
            words, bullet = _overdue(one), "✗"
            item.says(f"{slug}: {words} - suspended", would=f"Would suspend {slug}: {words}")
        case Step.CANCEL:
            words, bullet = "cancelled by its owner", "✗"
            item.says(f"{slug}: {words} - suspended", would=f"Would suspend {slug}: {words}")
    if not told:
        tallies = item.tallies if one.step in ENDS else []
        item.decline(StatusReason.NOBODY, f"{item.line}, {StatusReason.NOBODY.label}")
        item.tallies = tallies
    item.bullet = bullet


def _overdue(one: Reached) -> str:
    return f"{days_in_words(-one.left)} overdue"


def _summary(report: Report) -> list[str]:
    done = report.tallies
    return block(
        ("Reminders sent", done[Step.REMINDER]),
        ("Urgent reminders sent", done[Step.URGENT]),
        ("Grace warnings sent", done[Step.GRACE]),
        ("Tenants suspended", done[Step.SUSPEND] + done[Step.CANCEL]),
        ("Errors", report.failed),
    )
