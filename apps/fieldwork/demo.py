"""Fixit's jobs and those at Evergreen's properties, with the contractors who do them (spec E).

The history is played by the services themselves, in the order in which things happened, so
that it obeys the rules that the jobs rely on. A step of a story says how many days ago, what,
and with whom or why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from apps.billing.models import NumberSequence, Payment
from apps.billing.services import record_payment
from apps.billing.services.numbering import ENDLESS
from apps.contacts.models import Contact
from apps.core import days
from apps.core.demo import World
from apps.fieldwork import services
from apps.fieldwork.models import (
    ComplianceRequirement,
    ContractorProfile,
    SummaryMark,
    WorkOrder,
)
from apps.fieldwork.services import Extra, Paper, Wanted
from apps.fieldwork.services.work_orders import SERIES
from apps.firms.models import Firm, User
from apps.leasing.models import Unit

HOUR = time(10)  # at which things happen, where the firm is


@dataclass
class Site:
    """A firm of the fixture with what was made for it."""

    firm: Firm
    facts: Mapping[str, Any]
    now: datetime
    today: date
    contractors: dict[str, ContractorProfile] = field(default_factory=dict)
    customers: dict[str, Contact] = field(default_factory=dict)
    orders: dict[int, WorkOrder] = field(default_factory=dict)

    def day(self, ago: int) -> date:
        return self.today - timedelta(days=ago)

    def instant(self, ago: int) -> datetime:
        return days.local_instant(self.day(ago), HOUR, self.firm.timezone)

    def events(self) -> Iterator["Event"]:
        """Yield what has happened, in the order of the fixture."""
        for entry in self.facts["orders"]:
            for step in entry["story"]:
                yield Tale(self, entry).event(*step)
        for entry in self.facts["payouts"]:
            yield from self.payout(entry)

    def payout(self, entry: Mapping[str, Any]) -> Iterator["Event"]:
        """Yield the asking for a payout and what came of it."""
        made: dict[str, Any] = {}

        def ask(now: datetime) -> None:
            made["request"] = services.request_payout(
                contractor=self.contractors[entry["contractor"]],
                orders=[self.orders[number] for number in entry.get("orders", [])],
                extras=[Extra(*one) for one in entry.get("for", [])],
                by=None,
                now=now,
            )

        def approve(now: datetime) -> None:
            today = self.day(entry["approved"])
            services.approve_payout(request=made["request"], by=None, today=today, now=now)

        def pay(now: datetime) -> None:
            services.record_payout(
                request=made["request"],
                reference=entry["reference"],
                by=None,
                today=self.day(entry["paid"]),
                now=now,
            )

        for name, act in (("requested", ask), ("approved", approve), ("paid", pay)):
            if name in entry:
                yield Event(self.instant(entry[name]), act)


@dataclass(frozen=True)
class Event:
    """Something that happened, and how to make it happen."""

    at: datetime
    happen: Callable[[datetime], object]


@dataclass(frozen=True)
class Tale:
    """One work order and the steps of its story."""

    site: Site
    facts: Mapping[str, Any]

    def event(self, ago: int, what: str, *details: Any) -> Event:
        """Return a step; the last one of an idle order is whole days old, to the second."""
        is_exact = ago == self.facts.get("idle_days")
        at = self.site.now - timedelta(days=ago) if is_exact else self.site.instant(ago)
        return Event(at, partial(getattr(self, f"_{what}"), ago, *details))

    @property
    def order(self) -> WorkOrder:
        return self.site.orders[self.facts["number"]]

    @property
    def by(self) -> User:
        return User.objects.get(username=self.facts["by"])

    def _created(self, ago: int, now: datetime) -> None:
        number, unit = self.facts["number"], self._unit()
        _count_to(self.site.firm, number)
        wanted = Wanted(
            title=self.facts["title"],
            unit=unit,
            customer=self.site.customers.get(self.facts.get("customer", "")),
            due_date=self._due_date(),
            currency=unit.property.currency if unit else "",
            customer_price_minor=self.facts.get("price", 0),
            contractor_price_minor=self.facts["pay"],
        )
        self.site.orders[number] = services.create_work_order(
            firm=self.site.firm, wanted=wanted, by=self.by, now=now
        )

    def _unit(self) -> Unit | None:
        if "unit" not in self.facts:
            return None
        name, label = self.facts["unit"]
        units = Unit.objects.select_related("property").filter(firm=self.site.firm)
        return units.get(property__name=name, label=label)

    def _due_date(self) -> date | None:
        return self.site.day(-self.facts["due_in"]) if "due_in" in self.facts else None

    def _assigned(self, ago: int, whom: str, now: datetime) -> None:
        services.assign_work_order(
            order=self.order,
            contractor=self.site.contractors[whom],
            by=self.by,
            today=self.site.day(ago),
            now=now,
        )

    def _started(self, ago: int, now: datetime) -> None:
        services.start_work_order(order=self.order, by=self.by, now=now)

    def _held(self, ago: int, reason: str, now: datetime) -> None:
        services.hold_work_order(order=self.order, by=self.by, reason=reason, now=now)

    def _completed(self, ago: int, now: datetime) -> None:
        services.complete_work_order(order=self.order, by=self.by, now=now)

    def _verified(self, ago: int, now: datetime) -> None:
        services.verify_work_order(order=self.order, by=self.by, now=now)

    def _cancelled(self, ago: int, reason: str, now: datetime) -> None:
        services.cancel_work_order(order=self.order, by=self.by, reason=reason, now=now)

    def _estimated(self, ago: int, whom: str, amount_minor: int, now: datetime) -> None:
        estimate = services.draft_estimate(
            order=self.order,
            contractor=self.site.contractors[whom],
            amount_minor=amount_minor,
            text="",
        )
        services.submit_estimate(estimate=estimate, by=self.by, now=now)

    def _invoiced(self, ago: int, now: datetime) -> None:
        today = self.site.day(ago)
        services.invoice_work_order(order=self.order, by=self.by, today=today, now=now)

    def _paid(self, ago: int, now: datetime) -> None:
        self.order.refresh_from_db()
        invoice, on = self.order.invoice, self.site.day(ago)
        assert invoice is not None
        record_payment(
            account=invoice.account,
            amount_minor=invoice.total_minor,
            method=Payment.Method.BANK,
            effective_on=on,
            now=now,
            today=on,
            invoices=[invoice],
        )


def seed(world: World) -> None:
    """Make contractors with their papers, customers, and the work of the last months."""
    for facts in world.fixture("fieldwork"):
        firm = Firm.objects.get(slug=facts["firm"])
        site = Site(firm, facts, world.clock.now, firm.today(world.clock))
        _people(world, site)
        for event in sorted(site.events(), key=lambda event: event.at):
            event.happen(event.at)
        reported = site.day(facts["summary_reported_days_ago"])
        SummaryMark.objects.create(firm=firm, reported_through=reported)
        world.count("work orders", len(site.orders))
        world.count("payout requests", len(facts["payouts"]))


def _people(world: World, site: Site) -> None:
    firm = site.firm
    for entry in site.facts["requirements"]:
        ComplianceRequirement.objects.create(firm=firm, **entry)
    for entry in site.facts["customers"]:
        contact = Contact.objects.create(firm=firm, **entry)
        site.customers[contact.display_name] = contact
    for entry in site.facts["contractors"]:
        contact = Contact.objects.create(
            firm=firm,
            kind=Contact.Kind.ORGANISATION,
            display_name=entry["name"],
            email=entry["email"],
            email_verified_at=world.clock.now,
        )
        contractor = ContractorProfile.objects.create(
            firm=firm, contact=contact, trades=entry["trades"]
        )
        site.contractors[entry["name"]] = contractor
        _papers(site, contractor, entry["papers"])
        world.count("compliance documents", len(entry["papers"]))
    world.count("contractors", len(site.contractors))


def _papers(
    site: Site, contractor: ContractorProfile, entries: Sequence[Mapping[str, Any]]
) -> None:
    for entry in entries:
        filed, ends = entry["filed_days_ago"], entry.get("expires_in")
        paper = Paper(
            entry["doc_type"],
            entry["number"],
            site.day(filed),
            None if ends is None else site.day(-ends),
        )
        now = site.instant(filed)
        document = services.file_document(contractor=contractor, paper=paper, by=None, now=now)
        services.approve_document(
            document=document, by=None, note="", today=site.day(filed), now=now
        )


def _count_to(firm: Firm, number: int) -> None:
    """Let a firm's next work order have a number: those of the source are out of order."""
    NumberSequence.objects.update_or_create(
        firm=firm, series=SERIES, year=ENDLESS, defaults={"next_number": number}
    )
