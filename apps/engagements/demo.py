"""Acme's clients: six engagements, what was billed for them and what was paid (spec E3.1).

The history is played by the services themselves, in the order of the days on which things
happened, so that it obeys the rules that the jobs rely on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from apps.billing.models import BillingAccount, Payment, PaymentMethod
from apps.billing.services import record_payment
from apps.contacts.models import Contact
from apps.core import days
from apps.core.demo import World
from apps.engagements.models import Engagement
from apps.engagements.services import activate_engagement, pause_engagement
from apps.engagements.services.claims import claims_of
from apps.engagements.services.invoicing import (
    Desk,
    accounts_with_card,
    invoice_fees,
    make_fee,
)
from apps.engagements.services.periods import Period, unbilled
from apps.firms.models import Firm

PAID_AFTER = timedelta(days=8)
CARD_YEARS = 3  # that a card is still good for


@dataclass(frozen=True)
class Event:
    """Something that happened on a day, and how to make it happen."""

    on: date
    order: int  # cards, then invoices, then payments, then pauses
    happen: Callable[[datetime], object]


@dataclass
class Client:
    """An engagement of the fixture with what was made for it."""

    facts: dict[str, Any]
    engagement: Engagement
    today: date

    @property
    def firm(self) -> Firm:
        return self.engagement.firm

    def events(self) -> Iterator[Event]:
        """Yield what has happened before today, and this morning."""
        if "card" in self.facts:
            yield Event(days.first_of_month(self.today), 0, self.store_card)
        periods = self.billed_periods()
        for number, period in enumerate(periods):
            on = period.start
            yield Event(on, 1, self.invoice(period))
            if number + 1 < len(periods) or "last_is_due_today" not in self.facts:
                yield Event(on + PAID_AFTER, 2, self.pay(period))
        if since := self.paused_on:
            yield Event(since, 3, self.pause)

    @property
    def paused_on(self) -> date | None:
        ago = self.facts.get("paused_days_ago")
        return self.today - timedelta(days=ago) if ago else None

    def billed_periods(self) -> list[Period]:
        """Return what an hourly job would have billed so far, but for what is left to it."""
        if self.engagement.pricing_mode not in Engagement.BY_PACKAGE:
            return []
        until = self.paused_on or self.today
        due = unbilled(self.engagement, (), today=until)
        return due[: len(due) - self.facts.get("left_to_bill", 0)]

    def store_card(self, now: datetime) -> None:
        facts, account = self.facts["card"], self.engagement.account
        card = PaymentMethod.objects.create(
            firm=self.firm,
            account=account,
            provider="stripe",
            provider_ref=facts["provider_ref"],
            brand="visa",
            last4="4242",
            exp_month=12,
            exp_year=self.today.year + CARD_YEARS,
        )
        account.gateway_customer = facts["gateway_customer"]
        account.autopay_timing = facts["charged"]
        account.autopay_enabled, account.default_payment_method = True, card
        account.save()

    def invoice(self, period: Period) -> Callable[[datetime], object]:
        def issue(now: datetime) -> None:
            engagement = self.engagement
            cards = accounts_with_card([engagement.account_id])
            desk = Desk(self.firm, period.start, cards)
            fee = engagement.package_fee_minor
            invoice_fees([make_fee(engagement, period, fee_minor=fee, desk=desk)], now=now)

        return issue

    def pay(self, period: Period) -> Callable[[datetime], object]:
        def transfer(now: datetime) -> None:
            claim = self.engagement.periods.get(period_start=period.start)
            assert claim.invoice is not None
            on = period.start + PAID_AFTER
            record_payment(
                account=self.engagement.account,
                amount_minor=claim.invoice.total_minor,
                method=Payment.Method.BANK,
                effective_on=on,
                now=now,
                today=on,
                invoices=[claim.invoice],
            )

        return transfer

    def pause(self, now: datetime) -> None:
        assert self.paused_on is not None
        self.engagement = pause_engagement(
            engagement=self.engagement,
            today=self.paused_on,
            actor=None,
            reason="The client waits for its new budget",
        )


def seed(world: World) -> None:
    """Make the clients, their engagements and their history."""
    facts = world.fixture("engagements")
    firm = Firm.objects.select_related("settings").get(slug=facts["firm"])
    clients = [_client(world, firm, entry) for entry in facts["engagements"]]
    events = [event for client in clients for event in client.events()]
    for event in sorted(events, key=lambda event: (event.on, event.order)):
        event.happen(days.local_instant(event.on, time(9), firm.timezone))
    invoiced = claims_of(client.engagement.pk for client in clients).values()
    world.count("engagements", len(clients))
    world.count("package invoices", sum(len(claims) for claims in invoiced))


def _client(world: World, firm: Firm, facts: dict[str, Any]) -> Client:
    today = firm.today(world.clock)
    first = days.first_of_month(today)
    start = first if facts.get("on_the_first") else today
    start = days.add_months(start, -facts["began_months_ago"])
    contact = Contact.objects.create(
        firm=firm,
        kind=Contact.Kind.ORGANISATION,
        email_verified_at=world.clock.now,
        **facts["client"],
    )
    account = BillingAccount.objects.create(firm=firm, contact=contact, currency=firm.currency)
    engagement = Engagement.objects.create(
        firm=firm,
        account=account,
        name=facts["name"],
        currency=firm.currency,
        start_date=start,
        bill_from=start,
        net_days=(today - first).days if "last_is_due_today" in facts else None,
        autopay_opt_in="card" in facts,
        **facts["terms"],
    )
    engagement = activate_engagement(engagement=engagement, actor=None, reason="Signed")
    return Client(facts, engagement, today)
