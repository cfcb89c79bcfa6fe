"""Subscribers with an owner, cards at the bank, and what was said to whom."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from typing import Any

import time_machine
from django.core.management import call_command
from django.test import Client

from apps.core.days import Clock
from apps.core.reports import Report
from apps.firms.models import Firm, Role, User
from apps.notifications.models import Notification
from apps.subscriptions.models import PaymentOrder, Subscription
from apps.subscriptions.services import (
    check_subscription_status,
    process_recurring_payments,
)
from apps.webhooks.services import process_webhook_events
from sandbox import Sandbox
from tests.factories import (
    FirmFactory,
    MembershipFactory,
    PaymentOrderFactory,
    SubscriptionFactory,
    UserFactory,
)

EXPIRY = date(2025, 6, 13)


def at(moment: str) -> time_machine.travel:
    return time_machine.travel(moment, tick=False)


def on(day: date | str, hour: int = 12) -> time_machine.travel:
    """Noon UTC of a day: the same date in Tbilisi."""
    return at(f"{day}T{hour:02d}:00:00Z")


def subscriber(slug: str = "tbilisi-motors", **how: Any) -> Subscription:
    """Make a firm in Tbilisi with an owner and a subscription until 13 June 2025."""
    firm = how.pop("firm", None) or FirmFactory(
        name=slug.replace("-", " ").title(),
        slug=slug,
        timezone=how.pop("timezone", "Asia/Tbilisi"),
        currency="GEL",
    )
    MembershipFactory(firm=firm, user__username=f"{slug}-owner", roles=[Role.OWNER])
    row: Subscription = SubscriptionFactory(firm=firm, **how)
    return row


def owner_of(subscription: Subscription) -> User:
    return User.objects.get(username=f"{subscription.firm.slug}-owner")


def saved_card(
    subscription: Subscription,
    bank: Sandbox | None = None,
    *,
    amount_minor: int = 5_900,
    card: str = "good",
    **how: Any,
) -> PaymentOrder:
    """Make the payment that saved a card, here and, if there is one, at the bank."""
    bog_id = how.pop("bog_order_id", f"bog-{subscription.firm.slug}")
    order: PaymentOrder = PaymentOrderFactory(
        subscription=subscription, amount_minor=amount_minor, bog_order_id=bog_id, **how
    )
    if bank is not None:
        amount = f"{amount_minor / 100:.2f}"
        bank.bog.add_saved_card(
            bog_id, amount=amount, external_id=order.external_order_id, card=card
        )
    return order


def operator() -> User:
    who: User = UserFactory(username="operator", is_staff=True, is_superuser=True)
    return who


# ---- what a run does ------------------------------------------------------------------------


def charge(**options: Any) -> Report:
    return process_recurring_payments(**options)


def check(day: date | str, **options: Any) -> Report:
    with on(day):
        return check_subscription_status(**options)


def output(job: str, **options: Any) -> str:
    out = StringIO()
    call_command(job, stdout=out, **options)
    return out.getvalue()


def days_from(first: date, count: int) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(count))


def renewals(subscription: Subscription) -> list[PaymentOrder]:
    return list(subscription.orders.filter(kind="renewal").order_by("pk"))


def last_renewal(subscription: Subscription) -> PaymentOrder:
    return renewals(subscription)[-1]


def fresh(subscription: Subscription) -> Subscription:
    return Subscription.objects.select_related("firm").get(pk=subscription.pk)


def stands(subscription: Subscription) -> tuple[str, str, str]:
    """Return status, expiry and the firm's status."""
    row = fresh(subscription)
    return row.status, str(row.expires_on), row.firm.status


def told(subscription: Subscription) -> list[str]:
    """Return what the owner was told, in order."""
    rows = Notification.objects.filter(firm=subscription.firm).order_by("pk")
    return [row.type.removeprefix("subscription_") for row in rows]


def subjects(subscription: Subscription) -> list[str]:
    """Return the subject lines of what the owner was told."""
    from apps.notifications.types import registry

    rows = Notification.objects.filter(firm=subscription.firm).order_by("pk")
    return [registry()[row.type].write([row]).subject for row in rows]


# ---- what the bank does ---------------------------------------------------------------------


def call_back(bank: Sandbox, order_id: str, *, times: int = 1, **how: Any) -> list[int]:
    """Post the bank's callback about an order to the inbox; returns the answers."""
    answers = []
    for _ in range(times):
        raw, headers = bank.bog.signed(order_id, **how)
        answer = Client(enforce_csrf_checks=True).post(
            "/webhooks/bog/", raw, content_type="application/json", headers=headers
        )
        answers.append(answer.status_code)
    return answers


def work_inbox() -> Report:
    return process_webhook_events()


def settle(bank: Sandbox, order: PaymentOrder, code: str = "100", **how: Any) -> None:
    """Let the bank decide an order; nobody is told."""
    order.refresh_from_db()
    bank.bog.settle(order.bog_order_id, code=code, **how)


@contextmanager
def neighbour_untouched(firm: Firm) -> Iterator[None]:
    """Check that nothing of a firm changes."""

    def everything() -> list[Any]:
        return [
            list(Firm.objects.filter(pk=firm.pk).values()),
            list(Subscription.objects.filter(firm=firm).values()),
            list(PaymentOrder.objects.filter(firm=firm).values()),
            list(Notification.objects.filter(firm=firm).values()),
        ]

    before = everything()
    yield
    assert everything() == before


def now() -> Clock:
    return Clock.read()
